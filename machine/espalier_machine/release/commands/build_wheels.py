"""`release build-wheels`: build what an archive requires, for other machines alone."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release import native, wheels
from espalier_machine.release.build import build_virtualenv
from espalier_machine.release.machine import Machine
from espalier_machine.release.on_error import rollback_on_error


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Write the wheels that an archive's requirements need to be built into a tar."""
    native.install(machine, args.package, "`packages:` names them")
    with rollback_on_error() as rollback:
        venv = build_virtualenv(machine, args.archive, rollback)
    for path in machine.venvs.iterdir():
        if path.name != venv:
            machine.discard(path)
    wheels.remove_unused(machine)
    names = wheels.give(machine, venv, args.file)
    return {"wheels": names, "message": "\n".join(names) or "nothing was built for it."}
