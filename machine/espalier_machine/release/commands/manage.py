"""`release manage`: become the project's manage.py, in the live release."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Become the project's manage.py, in the live release, with its environment and terminal.

    Past a connection pool: commands hold locks and settings of a session, which a pool shares.
    """
    live = machine.live()
    if live is None:
        raise ReleaseError("manage", "no release is live here, so there is no manage.py to run.")
    env = machine.environment(live)
    if direct := env.get("ESPALIER_DIRECT_DATABASE_URL"):
        env |= {"ESPALIER_DATABASE_URL": direct, "ESPALIER_POOLER": ""}
    env |= {name: os.environ[name] for name in ("TERM", "COLUMNS", "LINES") if name in os.environ}
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    os.umask(0o022)
    os.chdir(live.workdir)
    if machine.drops_privileges:
        os.setgroups([])
        os.setgid(machine.account.pw_gid)
        os.setuid(machine.account.pw_uid)
    sys.stdout.flush()
    os.execve(live.python, [live.python, live.record["manage"], *words], env)
