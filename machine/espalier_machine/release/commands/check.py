"""`release check`: refuse a rollback that the database does not allow any more."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.machine import Machine
from espalier_machine.release.migrations import check_back
from espalier_machine.release.result import done


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Refuse a rollback to a release that could not live with the database as it is."""
    release = machine.require(args.id)
    check_back(machine, release, args.accept)
    return done("unchanged", release, f"{release.id} can live with the database as it is.")
