"""What the kit's own programs said when their unit failed: each sentence is a finding.

`espalier-backup-watch` fails each minute while the backups are red. Its unit stays failed, whatever
else is found meanwhile: so findings are compared, without the figures that change each minute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from espalier_machine.alerts import units
from espalier_machine.alerts.message import masked
from espalier_machine.alerts.units import Problem
from espalier_machine.common import system

# Those that write sentences, about nothing that is a visitor's.
TOLD_BY = ("espalier-backup*.service", "espalier-drill.service")
RED, OTHERS = "red: ", ("amber: ", "green: ")
FIGURE = re.compile(r"\d[\d.,:-]*( (s|minutes?|hours?|days?|MB|GB|UTC)\b)?")
MOST = 6  # sentences of one unit


def explained(
    problems: Mapping[str, Problem], seen: Iterable[Mapping[str, str]]
) -> dict[str, Problem]:
    """Return problems, with what their programs said in place of how they ended.

    Args:
        problems: by unit.
        seen: what systemd says of each unit.
    """
    found = dict(problems)
    for unit in seen:
        if unit["Id"] in found and (said := read(unit)):
            keys = tuple(without_figures(one) for one in said)
            what = "; ".join(one.rstrip(".") for one in masked(said))
            found[unit["Id"]] = replace(found[unit["Id"]], what=what, findings=keys)
    return found


def read(unit: Mapping[str, str]) -> list[str]:
    """Return the findings of a unit's last run; [] where it is none of these, or said nothing."""
    run = unit.get("InvocationID", "")
    if not run or not units.matches(unit["Id"], TOLD_BY):
        return []
    asked = ("journalctl", f"_SYSTEMD_INVOCATION_ID={run}", "--output=cat", "--no-pager")
    return parse(system.run(*asked, "--lines=50").stdout.splitlines())


def parse(lines: Iterable[str]) -> list[str]:
    """Return the findings among lines: those that are red, or all where no line has a colour."""
    known = [line.strip() for line in lines if line.strip() and not line.startswith(OTHERS)]
    red = [line.removeprefix(RED) for line in known if line.startswith(RED)]
    return red[:MOST] if red else known[-MOST:]


def without_figures(finding: str) -> str:
    """Return a finding as it is compared."""
    return FIGURE.sub("#", finding)
