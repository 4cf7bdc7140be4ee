"""A tar.gz that depends on nothing but what is in it."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from espalier.project.archive.content import Entry
from espalier.project.errors import ProjectError
from espalier.project.source.tree import sha256


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write a tar.gz that depends on nothing but the entries: no time, no owner, no name.

    Raises ProjectError for a file that changed since it was listed.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for entry in entries:
                _add(tar, entry)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    member = tarfile.TarInfo(entry.file.path)
    member.mode = entry.file.mode
    if entry.file.link:
        member.type, member.linkname = tarfile.SYMTYPE, entry.file.link
        tar.addfile(member)
        return
    content = entry.origin if isinstance(entry.origin, bytes) else _read(entry.origin, entry)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _read(path: Path, entry: Entry) -> bytes:
    """The file's content, which must still be the one that the identity was computed from."""
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if sha256(content) != entry.file.digest:
        raise ProjectError(f"{path} changed while it was packed: run again.")
    return content
