"""`release deploy`: build, migrate, put live, tidy up; only what is left to do of it."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.archive import read_build
from espalier_machine.release.build import prepare
from espalier_machine.release.machine import Machine
from espalier_machine.release.migrations import migrate
from espalier_machine.release.on_error import rollback_on_error
from espalier_machine.release.prune import clean
from espalier_machine.release.pythons import built_on, own_python
from espalier_machine.release.result import done
from espalier_machine.release.status import live_state
from espalier_machine.release.switch import finalize, put_live, switch


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Build, migrate, put live, tidy up; only what is left to do of it."""
    with rollback_on_error() as rollback:
        build = read_build(args.archive, machine.config.project)
        live = machine.live()
        same = live is not None and live.record["identity"] == build["identity"]
        if live and same and built_on(live.record) == own_python(machine):
            state = live_state(machine)
            if state and (not state["healthy"] or machine.is_stale()):
                migrate(machine, live)  # its database may be another one, or made anew, since
            action, release = put_live(machine, live, rollback), live
        else:
            release, _ = prepare(machine, args.archive, args.id, rollback, args.settings)
            migrate(machine, release, args.accept)
            switch(machine, release, rollback)
            action = "deployed"
    finalize(machine)
    if action == "deployed":
        clean(machine)
    return done(action, release, f"release {release.id} is live ({action}).")
