"""What ssh-audit says of a machine's sshd, by its policy for the machine's Debian."""

from __future__ import annotations

import json
from collections.abc import Sequence

from espalier.audit.rows import Row, not_checked

CHECK = "ssh"


def arguments(policy: str, address: str, port: int) -> list[str]:
    """What ssh-audit is asked."""
    return ["-j", "-P", policy, "-p", str(port), address]


def rows(machine: str, policy: str, output: str) -> list[Row]:
    """One row: every field of the policy that the machine does not follow is a fault."""
    try:
        answer = json.loads(output)
        errors, passed = answer["errors"], answer["passed"]
    except (ValueError, KeyError, TypeError):
        return [not_checked(CHECK, machine, f"ssh-audit: {output.strip()[-200:]}", policy)]
    faults = tuple(dict.fromkeys(one["mismatched_field"] for one in errors))
    if not passed and not faults:
        faults = ("policy",)
    found = "; ".join(f"{one['mismatched_field']}: {', '.join(one['actual'])}" for one in errors)
    return [Row(CHECK, machine, "", found or f"{len(errors)} errors", policy, faults)]


def password_row(machine: str, said: Sequence[str]) -> Row:
    """Whether sshd takes passwords, of which ssh-audit does not ask.

    `said` is what sshd says of passwords and of questions: yes or no.
    """
    if not said:
        return not_checked(CHECK, machine, "sshd does not tell its settings", "no passwords")
    faults = ("passwords",) if "yes" in said else ()
    found = "taken" if faults else "refused"
    return Row(CHECK, machine, "passwords", found, "refused", faults)
