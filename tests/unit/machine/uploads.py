"""Files and snapshots of uploads, for the tests of this directory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from espalier_machine.uploads_backup.snapshots import Snapshot
from espalier_machine.uploads_backup.tree import DIRECTORY, FILE, Entry

Run = Callable[..., dict[str, Any]]
DAY = 24 * 3600
SECOND = 10**9
T = 1_000 * SECOND


def file(seconds: int, size: int = 1) -> Entry:
    return Entry(FILE, size, seconds * SECOND, 0o644, 998, 997)


FOLDER = Entry(DIRECTORY, 0, 2_000 * SECOND, 0o755, 998, 997)


def shots(*times: int, aside: int = 0) -> list[Snapshot]:
    return [Snapshot(str(time), time, "/m", time == aside) for time in times]


def upload(media: Path, name: str, text: str, age: float = 0) -> None:
    (media / name).parent.mkdir(parents=True, exist_ok=True)
    (media / name).write_text(text)
    written = time.time() - age
    os.utime(media / name, (written, written))


def content(directory: Path) -> dict[str, str]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}
