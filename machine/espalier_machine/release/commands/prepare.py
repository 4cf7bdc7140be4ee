"""`release prepare`: build a release; nothing that runs changes."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release import wheels
from espalier_machine.release.build import prepare
from espalier_machine.release.machine import Machine
from espalier_machine.release.on_error import rollback_on_error
from espalier_machine.release.result import done


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Build a release; nothing that runs changes."""
    if args.wheels:
        wheels.take(machine, args.wheels)
    with rollback_on_error() as rollback:
        release, built = prepare(machine, args.archive, args.id, rollback, args.settings)
    action = "prepared" if built else "unchanged"
    answer = done(action, release, f"release {release.id} is ready to switch to ({action}).")
    # Which of several was taken is known only now.
    return answer | {
        "settings": release.record["settings"] if "candidates" in release.record else "",
        "packages": machine.debian_packages,
    }
