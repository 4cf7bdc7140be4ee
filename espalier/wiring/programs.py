"""The programs for machines, each packed into one zipapp whose name has its hash.

A zipapp that is replaced under a running process makes its later imports read garbage. So every
version is a file of its own, and a wrapper of two lines says which one is run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from espalier.paths import MACHINE
from espalier_machine.common.forms import PROGRAMS, WRAPPERS

PACKAGES = {
    "release": "release",
    "postgresql-replica": "replica",
    "importing": "importing",
    "espalier-egress": "egress",
    "espalier-alerts": "alerts",
    "espalier-insight": "insight",
    "certificate": "certificate",
    "database-backup": "database_backup",
    "uploads-backup": "uploads_backup",
}
SHARED = "common"
MAIN = "import sys\n\nfrom espalier_machine.{package}.cli import main\n\nsys.exit(main())\n"
# -I and -S: nothing of the caller's environment and no installed package changes what it does.
WRAPPER = '#!/bin/sh\nexec /usr/bin/python3 -I -S {path} "$@"\n'


@dataclass(frozen=True)
class Program:
    """A program for machines: its name, its content, and the SHA-256 of that in hexadecimal."""

    name: str
    digest: str
    content: bytes

    @property
    def filename(self) -> str:
        """The name of its zipapp."""
        return f"{self.name}-{self.digest[:16]}.pyz"

    @property
    def path(self) -> str:
        """Where the zipapp is on a machine."""
        return f"{PROGRAMS}/{self.filename}"

    @property
    def wrapper(self) -> str:
        """The command that people type: a script that runs the zipapp."""
        return WRAPPER.format(path=self.path)


@cache
def program(name: str) -> Program:
    """Pack a program; byte-identical for the same source.

    Stored, as a machine would unpack it at every start; in a fixed order, with fixed dates and
    modes. Raises KeyError for a name that is none of PACKAGES.
    """
    package = PACKAGES[name]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path, content in sorted(files(package)):
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, whatever the control machine is
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    content = packed.getvalue()
    return Program(name, hashlib.sha256(content).hexdigest(), content)


def files(package: str) -> Iterator[tuple[str, bytes]]:
    """The files of a program, as their path in the zipapp and their content."""
    yield "__main__.py", MAIN.format(package=package).encode()
    root = MACHINE / "espalier_machine"
    yield "espalier_machine/__init__.py", (root / "__init__.py").read_bytes()
    for folder in (SHARED, package):
        for path in (root / folder).rglob("*"):
            if path.is_file() and is_source(path):
                yield path.relative_to(MACHINE).as_posix(), path.read_bytes()


def is_source(path: Path) -> bool:
    """Whether a file belongs to a program; bytecode and an editor's leftovers do not."""
    leftover = path.name.startswith(".") or path.name.endswith(("~", ".pyc"))
    return not leftover and "__pycache__" not in path.parts


def program_files(name: str) -> list[dict[str, Any]]:
    """What the module `files` writes for a program; the zipapp is there before what runs it."""
    made = program(name)
    sent = base64.b64encode(gzip.compress(made.content, mtime=0)).decode()
    return [
        {"path": made.path, "content_base64": sent, "gzip": True, "mode": "0644"},
        {"path": f"{WRAPPERS}/{name}", "content": made.wrapper, "mode": "0755"},
    ]


def program_paths(name: str) -> list[str]:
    """The paths of those files."""
    return [file["path"] for file in program_files(name)]
