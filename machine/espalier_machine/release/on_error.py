"""Takes back what a command has made, when it fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def rollback_on_error() -> Iterator[ExitStack]:
    """A stack of callbacks that run, last first, only when the block fails."""
    rollback = ExitStack()
    try:
        yield rollback
    except BaseException:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half a rollback
        rollback.close()
        raise
