"""`release remove`: remove a release that nothing runs from."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.errors import UsageError
from espalier_machine.release.machine import Machine
from espalier_machine.release.prune import clean
from espalier_machine.release.result import done


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Remove a release that nothing runs from."""
    release = machine.require(args.id)
    if release.id in machine.pinned():
        raise UsageError(f"{release.id} runs, or would after a reboot; it is not removed.")
    machine.discard(release.path)
    return done("removed", release, f"removed {release.id}.") | {"removed": clean(machine)}
