"""A dump is known by its first bytes, whatever made it."""

from __future__ import annotations

import base64
import gzip
import tarfile
from pathlib import Path

import pytest

from espalier.arriving.dumpfile import DumpFile, major, read_dump
from espalier.inventory.site import SiteError

# The first bytes of what pg_dump 15.20 and 17.12 of Debian 12 and 13 wrote.
CUSTOM_15 = base64.b64decode(
    "UEdETVABDgAECAEBAQAAAAAFAAAAABgAAAAAFwAAAAAcAAAAAAoAAAAAfgAAAAAAAAAAAAMAAABkOWYA"
    "HgAAADE1LjIwIChEZWJpYW4gMTUuMjAtMCtkZWIxMnUxKQAeAAAAMTUuMjAgKERlYmlhbiAxNS4yMC0w"
    "K2RlYjEydTEpAA=="
)
CUSTOM_17 = base64.b64decode(
    "UEdETVABEAAECAEBAAoAAAAAGAAAAAAXAAAAABwAAAAACgAAAAB+AAAAAAAAAAAABwAAAG9yY2hhcmQA"
    "HgAAADE3LjEyIChEZWJpYW4gMTcuMTItMCtkZWIxM3UxKQAeAAAAMTcuMTIgKERlYmlhbiAxNy4xMi0w"
    "K2RlYjEzdTEpAFUAAAAAQQ4AAAAAAAAAAAEAAAAw"
)
PLAIN = b"""--
-- PostgreSQL database dump
--

\\restrict Xk2

-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 17.12 (Debian 17.12-0+deb13u1)

SET statement_timeout = 0;
"""


@pytest.mark.parametrize(
    ("content", "kind", "server", "tool"),
    [
        (CUSTOM_15, "custom", "15.20", "15.20"),
        (CUSTOM_17, "custom", "17.12", "17.12"),
        (PLAIN, "sql", "15.20", "17.12"),
        (b"SET client_encoding = 'UTF8';\n", "sql", "", ""),
    ],
)
def test_dump_says_what_made_it(
    tmp_path: Path, content: bytes, kind: str, server: str, tool: str
) -> None:
    path = tmp_path / "dump"
    path.write_bytes(content)
    assert read_dump(path) == DumpFile(path, kind, server, tool)
    path.write_bytes(gzip.compress(content))
    packed = read_dump(path)
    assert packed == DumpFile(path, kind, server, tool)
    with packed.open() as stream:
        assert stream.read() == content


def test_other_files_are_refused_with_what_to_make(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" * 100)
    (tmp_path / "all.sql").write_bytes(b"--\n-- PostgreSQL database cluster dump\n--\n")
    (tmp_path / "toc.dat").write_bytes(b"PGDMP")
    with tarfile.open(tmp_path / "dump.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(tmp_path / "toc.dat", "toc.dat")
    broken = bytearray(gzip.compress(bytes(range(256)) * 100))
    broken[12:20] = b"\xff" * 8
    (tmp_path / "broken.gz").write_bytes(broken)
    for name, words in {
        "photo.jpg": "no dump of PostgreSQL",
        "all.sql": "of a whole server",
        "dump.tar": "in the format tar",
        "toc.dat": "is cut off",
        "broken.gz": "cannot be read",
        "missing": "cannot be read",
        ".": "is a directory",
    }.items():
        with pytest.raises(SiteError, match=words):
            read_dump(tmp_path / name)


def test_major_version_is_the_first_number() -> None:
    assert [major(text) for text in ("15.3", "17beta1", "9.6.24", "")] == [15, 17, 9, 0]
