"""Space on the disk, and what an operating system error means to a person."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from espalier_machine.release.errors import ReleaseError

MEGABYTE = 1 << 20


def free_space(path: Path) -> tuple[int, Path]:
    """Bytes free to an ordinary user where `path` is or will be, and that place's mount point."""
    while not path.exists():
        path = path.parent
    stat, path = os.statvfs(path), path.resolve()
    while not path.is_mount():
        path = path.parent
    return stat.f_bavail * stat.f_frsize, path


def require_space(path: Path, needed: int) -> None:
    """Raise ReleaseError unless `needed` bytes are free where `path` is."""
    free, mount = free_space(path)
    if free < needed:
        sizes = f"{needed // MEGABYTE} MB are needed, {free // MEGABYTE} MB are free"
        hint = "free some space, or lower how many releases are kept and run `release clean`."
        raise ReleaseError("space", f"the disk at {mount} is too full: {sizes}; {hint}")


def disk_full(path: Path) -> str:
    """The sentence for a write that found no space."""
    free, mount = free_space(path)
    return f"the disk at {mount} is full ({free // MEGABYTE} MB free); free some space and repeat."


def explain_os_error(error: OSError) -> str:
    """A sentence for an operating system error."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(Path(error.filename or "/"))
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
