"""Directories that root works in and another user may exchange meanwhile.

Uploads belong to the user that Django runs as. Who has taken that over could put a symlink where
root is about to write. A directory that is held is reached by its descriptor: whatever becomes of
its name, it stays the same one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from espalier_machine.uploads_backup.errors import BackupError

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def held(directory: Path, *, own: bool = False) -> Iterator[Path]:
    """Hold a directory; gives a path that leads there as long as it is held, for children too.

    Args:
        directory: its path.
        own: whether it has to be this user's.

    Raises:
        BackupError: it is another user's.
    """
    descriptor = os.open(directory, _FLAGS)
    try:
        if own and os.fstat(descriptor).st_uid != os.geteuid():
            raise BackupError(f"{directory} was exchanged by another user. Nothing was changed.")
        yield _path(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def below(top: Path, path: str, owner: tuple[int, int]) -> Iterator[Path]:
    """Hold a directory below another one, made where it is missing; no symlink is followed.

    Args:
        top: a directory that nobody else can exchange.
        path: of the directory below it, "" for itself.
        owner: user and group of what is made.

    Raises:
        BackupError: a symlink or a file is in the way.
    """
    descriptor = os.open(top, _FLAGS)
    try:
        for name in filter(None, path.split("/")):
            is_new = _make(name, descriptor)
            try:
                inner = os.open(name, _FLAGS, dir_fd=descriptor)
            except OSError:
                raise BackupError(f"{top}/{path} is no directory: {name} in it is not.") from None
            os.close(descriptor)
            descriptor = inner
            if is_new:
                os.fchown(descriptor, *owner)
                os.fchmod(descriptor, 0o755)
        yield _path(descriptor)
    finally:
        os.close(descriptor)


def open_below(top: Path, path: str) -> IO[bytes]:
    """Open a file below a directory for reading; no symlink is followed.

    Args:
        top: a directory that nobody else can exchange.
        path: of the file below it.

    Raises:
        OSError: it is not there, or a symlink is in the way.
    """
    *folders, name = path.split("/")
    descriptor = os.open(top, _FLAGS)
    try:
        for folder in folders:
            inner = os.open(folder, _FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        # Not blocking: somebody may have put a pipe there.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return open(os.open(name, flags, dir_fd=descriptor), "rb")
    finally:
        os.close(descriptor)


def _make(name: str, descriptor: int) -> bool:
    try:
        os.mkdir(name, 0o700, dir_fd=descriptor)
    except FileExistsError:
        return False
    return True


def _path(descriptor: int) -> Path:
    # By the process' number: restic, which this process starts, goes the same way.
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")
