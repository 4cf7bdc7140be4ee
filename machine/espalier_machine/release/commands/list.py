"""`release list`: every release on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.common.text import format_table
from espalier_machine.release.machine import Machine
from espalier_machine.release.status import release_rows

MARKS = {"live": "live", "good": "was live", "rolled_back": "rolled back"}


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Every release on this machine."""
    rows = release_rows(machine)
    marks = [next((words for key, words in MARKS.items() if row[key]), "") for row in rows]
    table = [["RELEASE", "", "VERSION", "REVISION", "PREPARED"]] + [
        [row["id"], mark, row["version"], row["revision"][:12], row["prepared"][:19]]
        for row, mark in zip(rows, marks, strict=True)
    ]
    return {"releases": rows, "message": format_table(table)}
