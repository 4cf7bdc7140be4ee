"""Files and snapshots of uploads, for the tests of this directory."""

from __future__ import annotations

from espalier_machine.uploads_backup.snapshots import Snapshot
from espalier_machine.uploads_backup.tree import DIRECTORY, FILE, Entry

SECOND = 10**9
T = 1_000 * SECOND


def file(seconds: int, size: int = 1) -> Entry:
    return Entry(FILE, size, seconds * SECOND, 0o644, 998, 997)


FOLDER = Entry(DIRECTORY, 0, 2_000 * SECOND, 0o755, 998, 997)


def shots(*times: int, aside: int = 0) -> list[Snapshot]:
    return [Snapshot(str(time), time, "/m", time == aside) for time in times]
