"""Which file lists the Python packages that the project needs."""

from __future__ import annotations

import configparser
import dataclasses
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from espalier.project.detection.locks import LOCKS, locks_django, manifest_of, read_toml
from espalier.project.detection.requirement_files import (
    LIKELY,
    UNLIKELY,
    WRONG_DATABASE,
    asks_for_django,
    candidates,
    installed_beside,
    is_named,
    named_by_deployment,
    names_django,
    pins_django,
    rank,
)
from espalier.project.detection.tree import Found, ProjectTree, nearest
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import listed


@dataclasses.dataclass(frozen=True)
class Requirements(Found):
    """A file that lists what the project needs, and where it was found.

    Attributes:
        more: other requirements files that are installed with it.
    """

    more: tuple[str, ...] = ()

    @property
    def all(self) -> str:
        """Every file, for people."""
        return ", ".join([self.value, *self.more])


def find_requirements(project: Project, tree: ProjectTree) -> tuple[Requirements, str]:
    """The file, and its kind.

    Kinds are "requirements" (a requirements file), the name of a lock file, "pyproject" (its
    `dependencies`, or groups where it has nothing else) and "metadata" (a pyproject.toml,
    setup.cfg or setup.py whose requirements are known once the project's metadata is built).
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
                return _usable(tree, Requirements(path, "the only one with Django"))
    asking = [path for path in candidates(tree, "", anywhere=True) if asks_for_django(tree, path)]
    for found in _named(tree, "", asking):
        return _usable(tree, found)
    if asking:
        return _usable(tree, Requirements(asking[0], "the only one with Django"))
    raise ProjectError(f"{tree.where}: {_why_no_requirements(tree, directories)}")


def above(directory: str) -> list[str]:
    """A directory and each one above it, up to the root."""
    found = [directory]
    while found[-1]:
        found.append(posixpath.dirname(found[-1]))
    return found


def _offered(tree: ProjectTree, directory: str, place: str) -> Iterator[Requirements]:
    """What a directory offers, best first."""
    names = [posixpath.join(directory, name) for name in LOCKS]
    locks = [path for path in names if path in tree.paths and locks_django(tree, path)]
    files = [path for path in candidates(tree, directory) if rank(path, directory) < UNLIKELY]
    if locks and posixpath.basename(locks[0]) == "uv.lock":
        yield Requirements(locks[0], place)
    asking = [path for path in files if asks_for_django(tree, path)]
    if any(rank(path, directory) < LIKELY for path in asking):  # alternatives to what is right
        asking = [path for path in asking if rank(path, directory) != WRONG_DATABASE]
    yield from _named(tree, directory, [*locks, *asking])
    # A file that pins Django is as good as a lock, and what a site without a Dockerfile has had.
    if locks and not (asking and pins_django(tree, asking[0])):
        yield Requirements(locks[0], place)
    likely = [path for path in files if rank(path, directory) <= LIKELY]
    yield from (Requirements(path, place) for path in asking + likely)
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        path = posixpath.join(directory, name)
        if path in tree.paths and _offers_dependencies(tree, path):
            yield Requirements(path, place)


def _named(tree: ProjectTree, directory: str, paths: Sequence[str]) -> Iterator[Requirements]:
    """Those of some files that the project's own deployment installs."""
    for name, who in named_by_deployment(tree):
        for path in paths:
            if is_named(path, name, directory):
                how = "named in" if posixpath.basename(who).startswith("README") else "installed by"
                is_lock = posixpath.basename(path) in LOCKS
                more = () if is_lock else installed_beside(tree, directory, path, who)
                yield Requirements(path, f"{how} {who}", more)


def _stated(name: str, tree: ProjectTree) -> tuple[Requirements, str]:
    for path in (posixpath.join(tree.root, name), name):
        if path in tree.paths:
            return _usable(tree, Requirements(path, "project.requirements"))
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
        manifest = read_toml(tree, path)
        listed_here = bool(manifest.get("project", {}).get("dependencies"))
        return listed_here or _is_built(manifest) or bool(groups_with_django(manifest))
    if name == "setup.cfg":
        return bool(setup_cfg(tree, path).get("options", {}).get("install_requires", "").strip())
    return "install_requires" in tree.read(path)


def groups_with_django(manifest: dict[str, Any]) -> list[str]:
    """The dependency groups that list Django, of a pyproject.toml that has nothing but groups."""
    if manifest.get("project"):
        return []
    return [
        name
        for name, lines in manifest.get("dependency-groups", {}).items()
        if any(isinstance(one, str) and names_django(one) for one in lines)
    ]


def _is_built(manifest: dict[str, Any]) -> bool:
    """Whether the requirements are known once the metadata is built: dynamic, or Poetry's own."""
    if "dependencies" in manifest.get("project", {}).get("dynamic", []):
        return True
    poetry = manifest.get("tool", {}).get("poetry", {})
    is_package = poetry.get("package-mode", True) and "poetry" in str(manifest.get("build-system"))
    named = {name.lower() for name in poetry.get("dependencies", {})}
    return is_package and "django" in named and "project" not in manifest


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
        return "metadata" if _is_built(read_toml(tree, path)) else "pyproject"
    return "metadata" if name in ("setup.cfg", "setup.py") else "requirements"


def _usable(tree: ProjectTree, found: Requirements) -> tuple[Requirements, str]:
    path, start = found.value, f"{tree.where}: project.requirements: {found.value}"
    if "\0" in tree.read(path):
        raise ProjectError(
            f"{tree.where}: the project's {path} is no text: write another file as `requirements:`."
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
