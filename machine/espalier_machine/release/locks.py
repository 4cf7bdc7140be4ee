"""The lock of this machine: one command at a time changes its releases."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from espalier_machine.common.text import now
from espalier_machine.release.errors import Busy
from espalier_machine.release.machine import Machine


@contextmanager
def locked(machine: Machine, what: str) -> Iterator[None]:
    """Hold the machine's release lock, which the kernel frees however this process ends."""
    with os.fdopen(os.open(machine.lock_file, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file:
        if not acquire(file):
            raise Busy(lock_body(machine.lock_file), "release ")
        file.truncate()
        json.dump({"pid": os.getpid(), "what": what, "since": now(), "by": machine.by}, file)
        file.flush()
        yield


def acquire(file: IO[str]) -> bool:
    """Lock an open file for this process alone; gives whether that succeeded, within a second."""
    for attempt in range(10):  # `release status` holds every lock for an instant
        if attempt:
            time.sleep(0.1)
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def lock_body(file: Path, attempts: int = 1) -> dict[str, Any]:
    """What the last holder of a lock wrote about itself.

    A lock that is held may be written to just now: then several attempts find it whole.
    """
    for attempt in range(attempts):
        with suppress(OSError, ValueError):
            return json.loads(file.read_text())
        if attempt + 1 < attempts:
            time.sleep(0.01)
    return {}


def lock_holder(file: Path) -> dict[str, Any] | None:
    """Who holds a lock now; None when nobody does."""
    with suppress(FileNotFoundError), open(file) as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock_body(file, attempts=20)
    return None
