"""A command ends with whoever asked for it: standard input brings a sign of life all the time."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import threading
from pathlib import Path

SILENCE = 30  # seconds without a sign of life; the control machine sends one every 5


class Abandoned(BaseException):
    """Nobody waits for the result any more."""


def follow_input() -> None:
    """Raise Abandoned in the main thread once standard input has ended, or is silent."""

    def abandon(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is cleaned up now goes to its end
        raise Abandoned

    def follow() -> None:
        stream = sys.stdin.fileno()
        while select.select([stream], [], [], SILENCE)[0]:
            if not os.read(stream, 4096):
                break
        # To that thread, as another's would not interrupt what it waits for.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    signal.signal(signal.SIGTERM, abandon)
    threading.Thread(target=follow, daemon=True).start()


def hold(folder: Path) -> None:
    """Lock the import's directory until this process has ended: somebody may wait for it."""
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX)
