"""Where a restore builds its tree, and where it puts what it replaces: on the uploads' own disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from espalier_machine.uploads_backup.held import held
from espalier_machine.uploads_backup.tree import OWN

RESTORING, EXPORTING = "restoring", "exporting"


class Place(NamedTuple):
    """The paths of a restore.

    Attributes:
        building: root's alone; whatever is left there of a restore that was cut off is removed.
        replaced: how the directory begins to which the content of before goes.
    """

    building: Path
    replaced: str


def place(directory: Path, purpose: str = RESTORING) -> Place:
    """Beside the directory; in it where it is a disk of its own, as renames stay on one disk."""
    before = f"{directory}/{OWN}" if is_own_disk(directory) else f"{directory}."
    return Place(Path(f"{before}{purpose}"), f"{before}replaced-")


def is_own_disk(directory: Path) -> bool:
    """Whether a disk is mounted at the directory."""
    return directory.is_dir() and directory.stat().st_dev != directory.parent.stat().st_dev


@contextmanager
def workshop(directory: Path, purpose: str = RESTORING) -> Iterator[Path]:
    """An empty directory of root's to build in, gone afterwards; one at a time for a purpose."""
    building = place(directory, purpose).building
    if os.path.lexists(building):
        shutil.rmtree(building)
    building.mkdir(mode=0o700)
    try:
        with held(building, own=True) as path:
            yield path
    finally:
        shutil.rmtree(building, ignore_errors=True)


def free(directory: Path) -> int:
    """How many bytes of its disk are free."""
    found = directory if directory.is_dir() else directory.parent
    return shutil.disk_usage(found).free
