"""Putting a tree in the place of the uploads, by renames: nothing is copied and nothing deleted.

Their directory itself stays. Services may write to it alone, by a mount of it that is their own: a
directory that takes its place would be closed to them until they are started again.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.tree import is_upload

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


def check(live: Path) -> None:
    """Refuse where a rename could not move something.

    Raises:
        BackupError: a disk is mounted at a name in the directory.
    """
    for name in filter(is_upload, os.listdir(live)):
        if (live / name).is_dir() and (live / name).lstat().st_dev != live.stat().st_dev:
            raise BackupError(
                f"A disk is mounted at {name} below the uploads, so it cannot be put aside as a "
                "whole. Restore into another directory (--into), and move by hand what you need."
            )


def swap(tree: Path, live: Path, replaced: Path) -> None:
    """Exchange what is in `live` with what is in `tree`, name by name.

    What was in `live` is in `replaced` then. A swap that was cut off has lost nothing, and another
    restore finishes it.
    """
    for name in sorted({*filter(is_upload, os.listdir(live)), *os.listdir(tree)}):
        _exchange(tree / name, live / name, replaced / name)
    descriptor = os.open(live, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _exchange(new: Path, live: Path, replaced: Path) -> None:
    while True:
        with suppress(FileNotFoundError):
            live.rename(unused(replaced))
        if not os.path.lexists(new):
            return
        try:
            new.rename(live)
            return
        except OSError as error:  # an upload has just come to that name
            if error.errno not in _TAKEN:
                raise


def unused(path: Path) -> Path:
    """The path, or one like it that is not taken."""
    found, count = path, 1
    while os.path.lexists(found):
        count += 1
        found = path.with_name(f"{path.name}.{count}")
    return found
