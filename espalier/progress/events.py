"""What happens in another process, as lines of JSON in a file that this one follows.

Ansible's process and its workers write to the end of one file: no line is ever mixed with another,
and nobody waits for a reader.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

VARIABLE = "ESPALIER_EVENTS"  # the file, in the environment of whoever writes


def send(kind: str, **values: Any) -> None:
    """Write an event: its kind, when it was (Unix seconds), and its values as plain data.

    Nothing is written where nobody follows, as under `ansible-playbook site.yml` alone.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    line = json.dumps({"event": kind, "at": time.time(), **values}, default=str)
    with suppress(OSError), open(path, "ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


class Follower:
    """Reads what was written since it last looked."""

    def __init__(self, path: Path) -> None:
        """Begin at the beginning of a file."""
        self._file = path.open("rb")
        self._rest = b""

    def read(self) -> list[dict[str, Any]]:
        """The events that are new and whole."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Read no more."""
        self._file.close()
