"""The file that tells Django's overlay to time its requests, while it is fresh: one records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

DIRECTORY = Path("/run/espalier-insight")


@contextlib.contextmanager
def raised(directory: Path = DIRECTORY) -> Iterator[Callable[[], None]]:
    """Keep `on` in the directory; gives what is to be called each second, to keep it fresh.

    A recorder that was killed leaves a file that nobody keeps fresh; of two that record at once,
    one makes it anew within a second of the other's end.
    """
    flag = directory / "on"

    def refresh() -> None:
        if not flag.exists():
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            directory.chmod(0o755)  # whatever the umask is
            flag.touch(mode=0o644)
            flag.chmod(0o644)
        flag.touch()

    refresh()
    try:
        yield refresh
    finally:
        flag.unlink(missing_ok=True)
