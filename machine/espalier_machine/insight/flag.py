"""The file that tells Django's overlay to time its requests: it is there while one records."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

DIRECTORY = Path("/run/espalier-insight")
_MARK = "recorder-"


@contextlib.contextmanager
def raised(directory: Path = DIRECTORY, proc: Path = Path("/proc")) -> Iterator[None]:
    """Keep `on` in the directory; of two that record at once, the last one removes it.

    Each has a file with its process number there. One that was killed is not counted.
    """
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    directory.chmod(0o755)  # whatever the umask is
    mine = directory / f"{_MARK}{os.getpid()}"
    with _locked(directory):
        mine.touch(mode=0o644)
        flag = directory / "on"
        flag.touch(mode=0o644)
        flag.chmod(0o644)
    try:
        yield
    finally:
        with _locked(directory):
            mine.unlink(missing_ok=True)
            others = 0
            for path in directory.glob(f"{_MARK}*"):
                if (proc / path.name.removeprefix(_MARK)).exists():
                    others += 1
                else:
                    path.unlink(missing_ok=True)
            if not others:
                flag.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
