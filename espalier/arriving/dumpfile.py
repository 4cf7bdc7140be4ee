"""A dump as a file here: what made it, read from its first bytes, before anything is sent."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from espalier.inventory.site import SiteError

HEAD = 64 * 1024  # bytes
GZIP = b"\x1f\x8b"
CUSTOM = b"PGDMP"
TAR = b"toc.dat"
# In a dump as SQL.
FROM = re.compile(rb"-- Dumped from database version (\S+)")
BY = re.compile(rb"-- Dumped by pg_dump version (\S+)")
MAKE = "pg_dump --format=custom --no-owner --no-privileges --file=FILE DATABASE"


@dataclass(frozen=True)
class DumpFile:
    """A dump.

    Attributes:
        path: where it is.
        kind: `custom`, pg_dump's own format, or `sql`.
        server: the version of the PostgreSQL that it is of, such as 15.3; "" where it does not say.
        tool: the version of the pg_dump that wrote it.
    """

    path: Path
    kind: str
    server: str
    tool: str

    def open(self) -> IO[bytes]:
        """Open it for reading, unpacked."""
        return _open(self.path)


def read_dump(path: Path) -> DumpFile:
    """Look into a dump.

    Raises:
        SiteError: there is none, or it is of a kind that is not loaded.
    """
    if path.is_dir():
        raise SiteError(f"{path} is a directory. Make the dump one file: {MAKE}.", 2)
    try:
        with _open(path) as stream:
            head = stream.read(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise SiteError(f"{path} cannot be read: {error}.", 2) from error
    if head.startswith(CUSTOM):
        try:
            server, tool = custom_versions(head)
        except IndexError:
            raise SiteError(f"{path} is cut off. Copy or make it once more.", 2) from None
        return DumpFile(path, "custom", server, tool)
    if head.startswith(TAR):
        raise SiteError(f"{path} is a dump in the format tar. Make one in another: {MAKE}.", 2)
    found, made = FROM.search(head), BY.search(head)
    if not made and not re.search(rb"(?m)^(--|SET |CREATE |COPY |INSERT |BEGIN)", head):
        raise SiteError(f"{path} is no dump of PostgreSQL. Make one: {MAKE}.", 2)
    if b"-- PostgreSQL database cluster dump" in head:
        raise SiteError(f"{path} is a dump of a whole server. Make one of a database: {MAKE}.", 2)
    return DumpFile(
        path, "sql", found[1].decode() if found else "", made[1].decode() if made else ""
    )


def custom_versions(head: bytes) -> tuple[str, str]:
    """The versions of server and pg_dump in the head of a dump in the custom format.

    ReadHead in PostgreSQL's src/bin/pg_dump/pg_backup_archiver.c: after the magic word three bytes
    of version, the sizes of integers and offsets, and the format; then how it is compressed (one
    byte from 1.15 on, an integer before), seven integers of a date, and three texts: database,
    server's version, pg_dump's. An integer is a byte for its sign and then its size, the lowest
    byte first; a text is its length as an integer, and its bytes.
    """
    version, size = (head[5], head[6]), head[8]
    at = 11 + (1 if version >= (1, 15) else 1 + size)
    at += 7 * (1 + size)
    texts = []
    for _ in range(3):
        length = int.from_bytes(head[at + 1 : at + 1 + size], "little") * (-1 if head[at] else 1)
        at += 1 + size
        texts.append(head[at : at + max(length, 0)].decode(errors="replace"))
        at += max(length, 0)
    return texts[1].split()[0] if texts[1] else "", texts[2].split()[0] if texts[2] else ""


def major(version: str) -> int:
    """The major version in a text such as `15.3`, `17beta1` or `9.6.24`; 0 for none."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")
