"""`release probe`: ask this machine's own nginx until the live release answers through it."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.front import probe_front
from espalier_machine.release.machine import Machine
from espalier_machine.release.result import done


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Ask this machine's own nginx until the live release answers through it."""
    live = machine.live()
    if live is None:
        raise ReleaseError("probe", "no release is live here, so none can answer.")
    answer = probe_front(machine, live, args.timeout)
    if not answer.is_good(live):
        raise ReleaseError(
            "probe", f"{live.id} does not answer through {machine.config.front}.", str(answer)
        )
    return done("unchanged", live, f"{live.id} answers through {machine.config.front}.")
