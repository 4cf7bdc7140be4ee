"""`release wheels`: give the wheels that were built for a release to the other machines."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release import wheels
from espalier_machine.release.machine import Machine


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Write the wheels that were built for a release into a tar."""
    names = wheels.give(machine, machine.require(args.id).record["venv"], args.file)
    return {"wheels": names, "message": "\n".join(names) or "nothing was built for it."}
