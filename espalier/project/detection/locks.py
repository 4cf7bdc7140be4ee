"""Lock files: which tool wrote one, what must lie beside it, and whether it locks the site."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
import tomllib
from typing import Any

from espalier.project.detection.tree import ProjectTree
from espalier.project.errors import ProjectError

DJANGO = r'(?mi)^name = "django"$'


@dataclasses.dataclass(frozen=True)
class Lock:
    """One kind of lock file. Its file name is also the kind of the requirements."""

    name: str
    manifest: str  # the file beside it that it was made of; "" where none is needed
    tool: str
    relock: str  # the command that makes it anew
    section: str = ""  # what the manifest's `tool` table must have, if it is a pyproject.toml


# In this order, where a directory has several.
LOCKS = {
    lock.name: lock
    for lock in (
        Lock("uv.lock", "pyproject.toml", "uv", "uv lock"),
        Lock("poetry.lock", "pyproject.toml", "poetry", "poetry lock"),
        Lock("pdm.lock", "pyproject.toml", "pdm", "pdm lock"),
        Lock("pylock.toml", "", "uv", "uv export -o pylock.toml"),
        Lock("Pipfile.lock", "Pipfile", "pipenv", "pipenv lock"),
    )
}
# What no machine can read: the control machine has the tool write a requirements file of it.
EXPORTED = ("poetry.lock", "pdm.lock", "Pipfile.lock")


def manifest_of(path: str) -> str:
    """The path of what a lock file was made of, "" where it stands alone."""
    name = LOCKS[posixpath.basename(path)].manifest
    return posixpath.join(posixpath.dirname(path), name) if name else ""


def exported_path(path: str, kind: str) -> str:
    """The requirements file that the kit writes beside a lock file, or ""."""
    return f"{path}.txt" if kind in EXPORTED else ""


def locks_django(tree: ProjectTree, path: str) -> bool:
    """Whether a lock file is the site's: one without Django locks the tools of a repository."""
    manifest = manifest_of(path)
    if manifest and manifest not in tree.paths:
        return False
    if posixpath.basename(path) == "Pipfile.lock":
        return any(name.lower() == "django" for name in pipfile_lock(tree, path).get("default", {}))
    return bool(re.search(DJANGO, tree.read(path)))


def read_toml(tree: ProjectTree, path: str) -> dict[str, Any]:
    """A TOML file of the project, {} where there is none; ProjectError where it is none."""
    try:
        return tomllib.loads(tree.read(path))
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(
            f"{tree.where}: the project's {path} is not valid TOML: {error}."
        ) from None


def pipfile_lock(tree: ProjectTree, path: str) -> dict[str, Any]:
    """What a Pipfile.lock holds; ProjectError where it is no JSON."""
    try:
        return dict(json.loads(tree.read(path)))
    except ValueError as error:
        raise ProjectError(
            f"{tree.where}: the project's {path} is not valid JSON: {error}."
        ) from None
