"""`release migrate`: migrate the database to a release that is prepared."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.machine import Machine
from espalier_machine.release.migrations import migrate
from espalier_machine.release.result import done


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Migrate the database to a release that is prepared."""
    release = machine.require(args.id)
    action = "migrated" if migrate(machine, release, args.accept) else "unchanged"
    return done(action, release, f"the database fits release {release.id} ({action}).")
