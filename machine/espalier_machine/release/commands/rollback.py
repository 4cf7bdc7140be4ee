"""`release rollback`: put a release live that was live before."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine
from espalier_machine.release.migrations import check_back
from espalier_machine.release.record import Release
from espalier_machine.release.switch import go_live, put_live


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Put live the release named, or the last one that was live before the live one.

    Without a name, none that a rollback has left since.
    """
    release = find_target(machine, args.id)
    check_back(machine, release, args.accept)
    return go_live(machine, release, partial(put_live, leave=True))


def find_target(machine: Machine, id: str | None) -> Release:
    """The release that a rollback goes to; raises ReleaseError if there is none."""
    if id:
        return machine.require(id)
    live = machine.live()
    if live is None:
        raise ReleaseError(
            "rollback", "no release is live here, so there is none to roll back from."
        )
    previous = machine.previous()
    if not previous:
        sentence = f"no release that was live before {live.id} is left here; see `release list`."
        raise ReleaseError("rollback", sentence)
    return machine.require(previous)
