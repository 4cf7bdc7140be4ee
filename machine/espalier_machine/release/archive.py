"""The archive that a release is built from: its build.json, and unpacking it."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from espalier_machine.release.errors import ReleaseError

BUILD_KEYS = {
    "identity",
    "project",
    "source",
    "version",
    "revision",
    "workdir",
    "manage",
    "settings",
}
BUILD_KEYS |= {
    "application",
    "interface",
    "overlay",
    "requirements",
    "extra_requirements",
    "python",
}


def read_build(archive: Path, project: str) -> dict[str, Any]:
    """build.json of an archive made for `project`; raises ReleaseError."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            member = tar.extractfile("build.json")
            build: Any = json.load(member) if member else None
    except (OSError, KeyError, ValueError, tarfile.TarError, EOFError) as error:
        sentence = f"{archive} is not a release archive ({error}); build it with the kit again."
        raise ReleaseError("archive", sentence) from error
    lacking = [key for key in sorted(BUILD_KEYS) if not isinstance(build, dict) or key not in build]
    if lacking:
        raise ReleaseError("archive", f"build.json in {archive} lacks {', '.join(lacking)}.")
    if build["project"] != project:
        sentence = f"{archive} holds {build['project']}; this machine runs {project}."
        raise ReleaseError("archive", sentence)
    for path in (build["workdir"], build["requirements"]["path"], *build.get("writable", [])):
        if path.startswith("/") or ".." in path.split("/"):
            raise ReleaseError("archive", f"build.json in {archive} names {path}, outside of it.")
    return build


def unpack(archive: BinaryIO, target: Path) -> None:
    """Unpack plain files, directories and symlinks that stay inside `target`, which must exist.

    Written by hand because Python 3.11.2 (Debian 12) has no extraction filters. Symlinks are made
    last, so that no file is ever written through one. Raises ReleaseError for anything else.
    """
    with tarfile.open(fileobj=archive, mode="r:gz") as tar:
        links = []
        for member in tar:
            name = os.path.normpath(member.name)
            path = target / name
            if name.startswith(("/", "..")) or not (
                member.isreg() or member.isdir() or member.issym()
            ):
                raise bad_member(member.name)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                links.append((path, member))
                continue
            source = tar.extractfile(member)
            assert source is not None  # a regular file always has content
            with source, open(path, "xb") as file:
                shutil.copyfileobj(source, file)
            # A file that the group alone may read came with `files:`, and may be a secret.
            private = 0o640 if not member.mode & 0o004 else 0o644
            path.chmod(0o755 if member.mode & 0o100 else private)
        for path, member in links:
            path.symlink_to(member.linkname)
        for path, member in links:
            with suppress(RuntimeError, OSError):  # a loop, on some Python versions
                if path.resolve().is_relative_to(target.resolve()):
                    continue
            raise bad_member(member.name)


def bad_member(name: str) -> ReleaseError:
    """The refusal of an archive member."""
    sentence = f"the archive holds {name}, which would leave the release directory; it is refused."
    return ReleaseError("unpack", sentence)
