"""`release rollback`: put a release live that was live before."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine
from espalier_machine.release.migrations import check_back
from espalier_machine.release.record import Release
from espalier_machine.release.switch import go_live, put_live


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Put live the release named, or the newest that was live and is older than the live one."""
    release = previous(machine, args.id)
    check_back(machine, release, args.accept)
    return go_live(machine, release, put_live)


def previous(machine: Machine, id: str | None) -> Release:
    """The release that a rollback goes to: the named one, or the good one before the live one."""
    if id:
        return machine.require(id)
    live, good = machine.live(), machine.good()
    if live is None:
        raise ReleaseError(
            "rollback", "no release is live here, so there is none to roll back from."
        )
    older = [r for r in machine.all() if r.id in good and r.age_key < live.age_key]
    if not older:
        sentence = f"no release older than {live.id} was ever live here; see `release list`."
        raise ReleaseError("rollback", sentence)
    return older[0]
