"""Machines whose lock is really held, each by a process here and on a file of the test's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# What `release hold` does on a machine, on a file of the test's.
HOLD = """
import argparse, json, pathlib, sys, types
from espalier_machine.release.commands import hold
from espalier_machine.release.errors import Busy
file, by, token = sys.argv[1:]
machine = types.SimpleNamespace(site_lock_file=pathlib.Path(file), by=by)
try:
    hold.run(machine, argparse.Namespace(what="release", token=token))
except Busy as error:
    print(json.dumps({"step": "lock", "error": error.sentence, "lock": error.holder}))
    sys.exit(3)
"""


@pytest.fixture
def hold_command() -> Callable[..., list[str]]:
    """Give the command line that holds a lock, from its file, who does, and maybe a lost token."""
    return lambda *words: [sys.executable, "-c", HOLD, *map(str, words)]


@pytest.fixture
def hold(tmp_path: Path, hold_command: Callable[..., list[str]]) -> Callable[[str], Any]:
    """Give, for who asks, what starts to hold the lock: an `espalier.rollout.lock.Start`."""

    def by(who: str) -> Any:
        def start(machine: str, token: str = "") -> subprocess.Popen[str]:
            argv, pipe = hold_command(tmp_path / f"{machine}.lock", who, token), subprocess.PIPE
            return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

        return start

    return by
