"""Which file lists the Python packages that the project needs."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from espalier.project.detection.tree import Found, ProjectTree, nearest
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import listed


def find_requirements(project: Project, tree: ProjectTree) -> tuple[Found, str]:
    """The file, and its kind: "requirements", "uv.lock" or "pyproject"."""
    directories = [tree.root]
    while directories[-1]:
        directories.append(posixpath.dirname(directories[-1]))
    if project.requirements:
        for directory in directories[:1] + directories[-1:]:
            path = posixpath.join(directory, project.requirements)
            if path in tree.paths:
                return _usable(tree, path, "project.requirements")
        near = [
            p for p in sorted(tree.paths, key=nearest) if re.search(r"require.*\.txt$|uv\.lock$", p)
        ]
        hint = f"there is {listed(near[:5])}" if near else "check the spelling"
        raise ProjectError(
            f"{tree.where}: project.requirements: there is no {project.requirements} beside "
            f"manage.py or in the project's root: {hint}."
        )
    names = ["uv.lock", "requirements.txt"]
    names += [f"requirements/{name}.txt" for name in ("production", "prod", "base")]
    for directory in directories:
        place = f"in {directory or 'the root'}" if directory != tree.root else "beside manage.py"
        for name in [*names, "pyproject.toml"]:
            path = posixpath.join(directory, name)
            if path in tree.paths and _offers_dependencies(tree, path):
                return _usable(tree, path, place)
    raise ProjectError(f"{tree.where}: {_why_no_requirements(tree, directories)}")


def _offers_dependencies(tree: ProjectTree, path: str) -> bool:
    name = posixpath.basename(path)
    if name == "uv.lock":
        # A lock without Django locks the tools of a repository, not the site.
        beside = posixpath.join(posixpath.dirname(path), "pyproject.toml") in tree.paths
        return beside and bool(re.search(r'(?m)^name = "django"', tree.read(path)))
    if name == "pyproject.toml":
        return bool(_pyproject(tree, path).get("project", {}).get("dependencies"))
    return True


def _pyproject(tree: ProjectTree, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(tree.read(path))
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(
            f"{tree.where}: the project's {path} is not valid TOML: {error}."
        ) from None


def _usable(tree: ProjectTree, path: str, where: str) -> tuple[Found, str]:
    kinds = {"uv.lock": "uv.lock", "pyproject.toml": "pyproject"}
    kind = kinds.get(posixpath.basename(path), "requirements")
    if "\0" in tree.read(path):
        raise ProjectError(
            f"{tree.where}: the project's {path} is UTF-16 text, which `>` in PowerShell makes: "
            "save it as UTF-8."
        )
    if (
        kind == "uv.lock"
        and posixpath.join(posixpath.dirname(path), "pyproject.toml") not in tree.paths
    ):
        raise ProjectError(
            f"{tree.where}: project.requirements: {path} has no pyproject.toml beside it."
        )
    if kind == "pyproject" and not _offers_dependencies(tree, path):
        raise ProjectError(
            f"{tree.where}: project.requirements: {path} has no `dependencies` in [project]."
        )
    return Found(path, where), kind


def _why_no_requirements(tree: ProjectTree, directories: Iterable[str]) -> str:
    for directory in directories:
        pyproject = posixpath.join(directory, "pyproject.toml")
        if pyproject in tree.paths and _pyproject(tree, pyproject).get("tool", {}).get("poetry"):
            return (
                f"{pyproject} lists the requirements in Poetry's own table: run `poetry export -o "
                "requirements.txt` (or move them to [project]) and keep that file with the code."
            )
        pipfile = posixpath.join(directory, "Pipfile")
        if pipfile in tree.paths:
            return (
                f"{pipfile} lists the requirements in Pipenv's format: run `pipenv requirements > "
                "requirements.txt` and keep that file with the code."
            )
    return (
        "the project does not say what it needs (no requirements.txt, uv.lock or pyproject.toml "
        "with dependencies beside manage.py or above): run `pip freeze > requirements.txt` in the "
        "environment where runserver works, or write `requirements:` with the file's path."
    )
