"""What sslyze says of a web machine, by Mozilla's configuration."""

from __future__ import annotations

import re

from espalier.audit.rows import Row, not_checked

CHECK = "tls"


def arguments(level: str, address: str, name: str) -> list[str]:
    """What sslyze is asked; `name` is what visitors ask for, "" where the site has none."""
    host = f"[{address}]" if ":" in address else address
    return [f"--mozilla_config={level}", *(["--sni", name] if name else []), f"{host}:443"]


def expected(level: str) -> str:
    """What is expected, in words."""
    return f"Mozilla {level}"


def rows(machine: str, level: str, output: str) -> list[Row]:
    """One row: everything that is not compliant is a fault."""
    judged = output.partition("Checking results against")[2]
    if "Compliant" not in judged and "FAILED" not in judged:
        told = " ".join(output.split())[-200:]
        return [not_checked(CHECK, machine, f"sslyze: {told}", expected(level))]
    faults = re.findall(r"^ +\* ([a-z_]+): (.*)$", judged, re.MULTILINE)
    if "FAILED" in judged and not faults:
        faults = [("compliance", " ".join(judged.split())[-200:])]
    found = "; ".join(text for _, text in faults)
    names = tuple(dict.fromkeys(name for name, _ in faults))
    return [Row(CHECK, machine, "", found or "compliant", expected(level), names)]
