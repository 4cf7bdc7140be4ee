"""A tar stream of files: their content and time, and nothing of whose they were."""

from __future__ import annotations

import os
import tarfile
from typing import IO


def open_for(stream: IO[bytes]) -> tarfile.TarFile:
    """Begin a tar stream; its end is written when it is closed."""
    return tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)


def add(archive: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    """Add an open file under a name.

    Raises:
        OSError: it has become shorter meanwhile.
    """
    member, status = tarfile.TarInfo(name), os.fstat(content.fileno())
    member.size, member.mtime = status.st_size, int(status.st_mtime)
    archive.addfile(member, content)
