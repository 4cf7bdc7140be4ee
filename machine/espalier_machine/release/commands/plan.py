"""`release plan`: say what a prepared release would change: requirements, migrations, processes."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.machine import Machine
from espalier_machine.release.migrations import guard
from espalier_machine.release.processes import wanted_processes
from espalier_machine.release.virtualenv import requirement_changes


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Say what a prepared release would change: requirements, migrations, processes."""
    release, live = machine.require(args.id), machine.live()
    verdicts = guard(machine, release, live, "check") if live else []
    plan = {
        "live": live.record["revision"] if live else "",
        "wanted": release.record["revision"],
        "requirements": requirement_changes(machine, live, release),
        "migrations": verdicts,
        "processes": wanted_processes(release),
    }
    lines = [f"{verdict['migration']}" for verdict in verdicts] or ["no migrations"]
    return plan | {"message": "\n".join(lines)}
