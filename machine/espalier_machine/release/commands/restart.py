"""`release restart`: start the live release anew in the other slot, without a failed request."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import Any

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release
from espalier_machine.release.switch import go_live, switch


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Start the live release anew in the other slot, without a failed request."""
    live = machine.live()
    if live is None:
        raise ReleaseError("restart", "no release is live here yet; run `release deploy ARCHIVE`.")

    def restart(machine: Machine, release: Release, rollback: ExitStack) -> str:
        switch(machine, release, rollback)
        return "restarted"

    return go_live(machine, live, restart)
