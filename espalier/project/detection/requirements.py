"""Which file lists the Python packages that the project needs."""

from __future__ import annotations

import configparser
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from espalier.project.detection.locks import LOCKS, locks_django, manifest_of, read_toml
from espalier.project.detection.requirement_files import (
    asks_for_django,
    candidates,
    named_by_deployment,
    pins_django,
    rank,
)
from espalier.project.detection.tree import Found, ProjectTree, nearest
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import listed

_LIKELY, _UNLIKELY = 2, 9  # of `rank`: known names; what only developers need


def find_requirements(project: Project, tree: ProjectTree) -> tuple[Found, str]:
    """The file, and its kind.

    Kinds are "requirements" (a requirements file), the name of a lock file, "pyproject" (its
    `dependencies`) and "metadata" (a pyproject.toml, setup.cfg or setup.py whose requirements are
    known once the project's metadata is built).
    """
    if project.requirements:
        return _stated(project.requirements, tree)
    directories = above(tree.root)
    for directory in directories:
        place = f"in {directory or 'the root'}" if directory != tree.root else "beside manage.py"
        if found := next(_offered(tree, directory, place), None):
            return _usable(tree, found)
    for directory in directories:
        for path in candidates(tree, directory):
            if asks_for_django(tree, path):
                return _usable(tree, Found(path, "the only one with Django"))
    raise ProjectError(f"{tree.where}: {_why_no_requirements(tree, directories)}")


def above(directory: str) -> list[str]:
    """A directory and each one above it, up to the root."""
    found = [directory]
    while found[-1]:
        found.append(posixpath.dirname(found[-1]))
    return found


def _offered(tree: ProjectTree, directory: str, place: str) -> Iterator[Found]:
    """What a directory offers, best first."""
    names = [posixpath.join(directory, name) for name in LOCKS]
    locks = [path for path in names if path in tree.paths and locks_django(tree, path)]
    files = [path for path in candidates(tree, directory) if rank(path, directory) < _UNLIKELY]
    if locks and posixpath.basename(locks[0]) == "uv.lock":
        yield Found(locks[0], place)
    asking = [path for path in files if asks_for_django(tree, path)]
    yield from _named(tree, directory, [*locks, *asking])
    # A file that pins Django is as good as a lock, and what a site without a Dockerfile has had.
    if locks and not (asking and pins_django(tree, asking[0])):
        yield Found(locks[0], place)
    likely = [path for path in files if rank(path, directory) <= _LIKELY]
    yield from (Found(path, place) for path in asking + likely)
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        path = posixpath.join(directory, name)
        if path in tree.paths and _offers_dependencies(tree, path):
            yield Found(path, place)


def _named(tree: ProjectTree, directory: str, paths: Sequence[str]) -> Iterator[Found]:
    """Those of some files that the project's own deployment installs."""
    for name, who in named_by_deployment(tree):
        name = posixpath.normpath(name)
        for path in paths:
            below = posixpath.relpath(path, directory or ".")
            if f"/{name}".endswith(f"/{below}") or f"/{path}".endswith(f"/{name}"):
                yield Found(path, f"{who} installs it")


def _stated(name: str, tree: ProjectTree) -> tuple[Found, str]:
    for path in (posixpath.join(tree.root, name), name):
        if path in tree.paths:
            return _usable(tree, Found(path, "project.requirements"))
    pattern = r"require.*\.txt$|(^|/)(uv|poetry|pdm|Pipfile)\.lock$"
    near = [path for path in sorted(tree.paths, key=nearest) if re.search(pattern, path)]
    hint = f"there is {listed(near[:5])}" if near else "check the spelling"
    raise ProjectError(
        f"{tree.where}: project.requirements: there is no {name} beside manage.py or in the "
        f"project's root: {hint}."
    )


def _offers_dependencies(tree: ProjectTree, path: str) -> bool:
    name = posixpath.basename(path)
    if name == "pyproject.toml":
        project = read_toml(tree, path).get("project", {})
        return bool(project.get("dependencies")) or _is_dynamic(project)
    if name == "setup.cfg":
        return bool(setup_cfg(tree, path).get("options", {}).get("install_requires", "").strip())
    return "install_requires" in tree.read(path)


def _is_dynamic(project: dict[str, Any]) -> bool:
    return "dependencies" in project.get("dynamic", [])


def setup_cfg(tree: ProjectTree, path: str) -> dict[str, dict[str, str]]:
    """The sections of a setup.cfg, {} where it is not there or no such file."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(tree.read(path))
    except configparser.Error:
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _kind(tree: ProjectTree, path: str) -> str:
    name = posixpath.basename(path)
    if name in LOCKS:
        return name
    if name == "pyproject.toml":
        dynamic = _is_dynamic(read_toml(tree, path).get("project", {}))
        return "metadata" if dynamic else "pyproject"
    return "metadata" if name in ("setup.cfg", "setup.py") else "requirements"


def _usable(tree: ProjectTree, found: Found) -> tuple[Found, str]:
    path, start = found.value, f"{tree.where}: project.requirements: {found.value}"
    if "\0" in tree.read(path):
        raise ProjectError(
            f"{tree.where}: the project's {path} is UTF-16 text, which `>` in PowerShell makes: "
            "save it as UTF-8."
        )
    kind = _kind(tree, path)
    if kind in LOCKS:
        manifest = manifest_of(path)
        if manifest and manifest not in tree.paths:
            raise ProjectError(f"{start} has no {posixpath.basename(manifest)} beside it.")
    elif posixpath.basename(path) == "Pipfile":
        raise ProjectError(f"{start} locks nothing: write Pipfile.lock, which `pipenv lock` makes.")
    elif kind != "requirements" and not _offers_dependencies(tree, path):
        what = "`dependencies` in [project]" if path.endswith(".toml") else "`install_requires`"
        raise ProjectError(f"{start} has no {what}.")
    return found, kind


def _why_no_requirements(tree: ProjectTree, directories: Iterable[str]) -> str:
    for directory in directories:
        pyproject = posixpath.join(directory, "pyproject.toml")
        if pyproject in tree.paths and read_toml(tree, pyproject).get("tool", {}).get("poetry"):
            return (
                f"{pyproject} lists the requirements in Poetry's own table, and no poetry.lock "
                "that locks Django is beside it: run `poetry lock` and keep that file with the "
                "code."
            )
        pipfile = posixpath.join(directory, "Pipfile")
        if pipfile in tree.paths:
            return (
                f"{pipfile} has no Pipfile.lock that locks Django beside it: run `pipenv lock` and "
                "keep that file with the code."
            )
    return (
        "the project does not say what it needs (no requirements file, lock file, pyproject.toml "
        "or setup.cfg with dependencies beside manage.py or above): run `pip freeze > "
        "requirements.txt` in the environment where runserver works, or write `requirements:` "
        "with the file's path."
    )
