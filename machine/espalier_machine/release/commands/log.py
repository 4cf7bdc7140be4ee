"""`release log`: what went live on this machine, when, and who did it."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.common.text import format_table
from espalier_machine.release.machine import Machine


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """What went live on this machine, when, and who did it."""
    rows = machine.went_live()
    table = [["SINCE", "RELEASE", "SLOT", "BY"]]
    table += [[row["since"][:19], row["id"], row["slot"], row["by"]] for row in rows]
    return {"log": rows, "message": format_table(table)}
