"""Wheels that were built on this machine, kept so that the next release compiles nothing.

uv keeps them in its cache, and builds anew where an index does not say how long a file of it is
good for, as many mirrors do not. A directory for `--find-links` is asked whatever the index says.
Where a site's machines have another one build for them, they travel there.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine

# Below uv's cache (crates/uv-cache of its source); where that changes, uv's own cache is left.
BUILT = "uv/sdists-*/**/*.whl"
NAME = re.compile(r"\w[\w.+!-]*\.whl", re.ASCII)  # of a file in no other directory


def keep(machine: Machine) -> None:
    """Keep what uv has built for this kind of machine; pure Python is built fast enough."""
    with machine.as_user():
        for wheel in machine.cache.glob(BUILT):
            if not wheel.name.endswith("-none-any.whl"):
                with suppress(FileExistsError):
                    os.link(wheel, machine.wheels / wheel.name)


def used_by(machine: Machine, venv: str) -> list[Path]:
    """The wheels whose package a virtualenv has in that version; of any, with `venv` "*".

    A wheel's name begins as the directory does that describes it once it is installed:
    `psycopg_c-3.3.2-cp313-cp313-linux_x86_64.whl`, `psycopg_c-3.3.2.dist-info`.
    """

    def is_used(wheel: Path) -> bool:
        package = "-".join(wheel.name.split("-")[:2])
        return any(machine.venvs.glob(f"{venv}/lib/*/site-packages/{package}.dist-info"))

    return [wheel for wheel in sorted(machine.wheels.glob("*.whl")) if is_used(wheel)]


def remove_unused(machine: Machine) -> list[str]:
    """Remove the wheels whose package no virtualenv has in that version; returns names."""
    unused = set(machine.wheels.glob("*.whl")).difference(used_by(machine, "*"))
    for wheel in unused:
        with machine.as_user():
            wheel.unlink(missing_ok=True)
    return [f"{machine.wheels.name}/{wheel.name}" for wheel in sorted(unused)]


def give(machine: Machine, venv: str, file: Path) -> list[str]:
    """Write the kept wheels that a virtualenv uses into a tar; returns their names."""
    found = used_by(machine, venv)
    with tarfile.open(file, "w") as tar:
        for wheel in found:
            tar.add(wheel, wheel.name)
    return [wheel.name for wheel in found]


def take(machine: Machine, file: Path) -> list[str]:
    """Keep the wheels of a tar that `give` wrote on another machine; returns those that were new.

    Raises ReleaseError where it is none.
    """
    # Opened as root, since it may be for root's eyes only.
    try:
        with open(file, "rb") as opened, tarfile.open(fileobj=opened) as tar, machine.as_user():
            return [member.name for member in tar if _extract(tar, member, machine.wheels)]
    except tarfile.TarError as error:
        raise ReleaseError("install", f"{file} is no tar of wheels: {error}.") from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> bool:
    """Write one wheel; returns whether it is one, and a new one."""
    target = folder / member.name
    if not member.isfile() or not NAME.fullmatch(member.name) or target.exists():
        return False
    # Complete under its name or not at all: uv looks at what ends in .whl.
    part = target.with_suffix(".part")
    source = tar.extractfile(member)
    assert source
    with source, open(part, "wb") as out:
        shutil.copyfileobj(source, out)
    part.rename(target)
    return True
