"""`release hook`: run the project's hooks of a moment."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.hooks import run_hooks
from espalier_machine.release.machine import Machine
from espalier_machine.release.result import done


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Run the project's hooks of a moment of a release, such as before_migrate.

    Those of the release that is named, or of the live one.
    """
    moment, _, id = args.what.partition(":")
    release = machine.require(id) if id else machine.live()
    if release is None:
        raise ReleaseError("hook", "no release is live here, so it has no hooks.")
    count = run_hooks(machine, release, moment)
    action = "ran" if count else "unchanged"
    return done(action, release, f"{count} hooks of {release.id} ran.")
