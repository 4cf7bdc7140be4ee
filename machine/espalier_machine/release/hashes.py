"""Has kept wheels installed where a lock file has hashes, which are those of the source alone."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine
from espalier_machine.release.requirements import requirement_name

# One version of a package in a file of requirements, and the hashes that it may have.
HASHED = re.compile(
    r"^(([\w.-]+) *(?:\[[^\]\n]*\])? *== *([^\s;\\]+)(?:[^\\\n]|\\\r?\n)*?)"
    r"--hash=\S+(?:(?:[ \t]|\\\r?\n)+--hash=\S+)*",
    re.MULTILINE,
)
MISMATCH = re.compile(r"Hash mismatch for `([\w.-]+)")  # of uv


def preferred(machine: Machine, python: str, install: Callable[[Callable[[str], str]], str]) -> str:
    """Install what kept wheels are there for from them.

    With the source's hash uv would build that again, or, where the index tells no hashes, take the
    wheel and refuse it.

    Args:
        machine: this one.
        python: the X.Y that the wheels are for.
        install: runs uv; it gets what makes its requirements of the project's, and is run again
            where uv takes no wheel of a package, as where the project says so (`no-binary`).
    """
    built: set[str] = set()
    while True:
        try:
            return install(functools.partial(prefer, machine, python=python, built=built))
        except ReleaseError as error:
            refused = set(map(requirement_name, MISMATCH.findall(error.detail)))
            if refused <= built:
                raise
            built |= refused


def prefer(machine: Machine, text: str, python: str, built: Collection[str] = ()) -> str:
    """Requirements with the hashes of kept wheels in place of others, but for packages in `built`.

    Only of wheels that fit a Python, X.Y.
    """
    kept = [wheel for wheel in sorted(machine.wheels.glob("*-*-*-*-*.whl")) if _fits(wheel, python)]

    def replace(found: re.Match[str]) -> str:
        wanted = [requirement_name(found[2]), found[3]]
        if wanted[0] in built:
            return found[0]
        with machine.as_user():
            texts = [wheel.read_bytes() for wheel in kept if _package(wheel) == wanted]
        hashes = " ".join(f"--hash=sha256:{sha256(text).hexdigest()}" for text in texts)
        return found[1] + hashes if hashes else found[0]

    return HASHED.sub(replace, text)


def _package(wheel: Path) -> list[str]:
    """Its normalised name, as old setuptools writes names as they are, and its version."""
    name, version = wheel.name.split("-")[:2]
    return [requirement_name(name), version]


def _fits(wheel: Path, python: str) -> bool:
    """Whether a wheel that was built here is for a Python, to judge by its last three tags."""
    language, abi, _ = wheel.stem.rsplit("-", 3)[1:]
    return language in ("py3", f"cp{python.replace('.', '')}") or abi == "abi3"
