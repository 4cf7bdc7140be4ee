"""`release hold`: hold the lock over the whole site while lines come in; see `hold`."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from typing import Any

from espalier_machine.release.machine import Machine
from espalier_machine.release.site_lock import hold


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Hold the lock over the whole site while lines come in; see `hold`."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    say = functools.partial(print, flush=True)
    hold(machine, args.what, sys.stdin.buffer, say, args.token)
    return {"changed": False, "message": "the lock is free again."}
