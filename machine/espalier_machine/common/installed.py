"""Versions of a program on this machine: a zipapp that no process uses any more is removed.

A program is installed as `<name>-<hash>.pyz`, and a wrapper of that name runs it. A process imports
out of its zipapp as it goes, so an older file stays until the last process that uses it has ended.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from espalier_machine.common.forms import WRAPPERS

GRACE = 60  # seconds that a process may take from reading its wrapper to `mark_in_use`

_held: list[int] = []  # what marks our own zipapp; open until this process ends


def own_archive() -> Path | None:
    """The zipapp that this process runs from; None where it runs from a directory."""
    archive = getattr(globals().get("__loader__"), "archive", None)
    return Path(archive) if archive else None


def mark_in_use() -> None:
    """Hold a shared lock on our own zipapp, which the kernel frees however this process ends."""
    if archive := own_archive():
        _held.append(os.open(archive, os.O_RDONLY | os.O_CLOEXEC))
        fcntl.flock(_held[-1], fcntl.LOCK_SH)


def remove_unused(name: str) -> list[str]:
    """Remove other versions of a program that no process uses; returns their file names."""
    archive = own_archive()
    return remove_unused_in(archive.parent, Path(WRAPPERS) / name) if archive else []


def remove_unused_in(folder: Path, wrapper: Path) -> list[str]:
    """Remove those versions in `folder` that neither the wrapper nor a process uses.

    Younger than the wrapper is a version whose wrapper is about to be written. And whoever read the
    wrapper just before it was replaced holds its lock within GRACE seconds.
    """
    try:
        wanted, written = wrapper.read_text(), wrapper.stat().st_mtime
    except OSError:
        return []
    if time.time() - written < GRACE:
        return []
    removed = []
    for path in sorted(folder.glob(f"{wrapper.name}-*.pyz")):
        if path.name not in wanted and path.stat().st_mtime < written and not is_in_use(path):
            path.unlink()
            removed.append(path.name)
    return removed


def is_in_use(archive: Path) -> bool:
    """Whether a process has marked the zipapp as in use."""
    with open(archive, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
