"""Which Python the project asks for: stated, wished for in one of its files, or required."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Iterator
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from espalier.project.detection.locks import EXPORTED, read_toml
from espalier.project.detection.requirements import above, setup_cfg
from espalier.project.detection.tree import Found, ProjectTree, nearest
from espalier.project.errors import ProjectError
from espalier.project.rules.interpreter import SUPPORTED
from espalier.project.schema import Project
from espalier.project.words import note


@dataclasses.dataclass(frozen=True)
class Pythons:
    """What is known of the Python that the project needs. Versions are X.Y."""

    stated: str = ""
    wish: Found | None = None  # taken where a machine has it, or uv can bring it
    requires: Found | None = None  # a range of versions
    allowed: tuple[str, ...] | None = None  # None: any
    tolerated: tuple[str, ...] = ()  # against `requires`, where nothing else can be had
    remark: str = ""  # why a wish is not followed

    def as_json_object(self) -> dict[str, Any]:
        """For build.json: {} where nothing is known."""
        if not (self.wish or self.requires):
            return {}
        return {
            "wish": self.wish.value if self.wish else "",
            "weak": bool(self.wish and posixpath.basename(self.wish.where) == "Dockerfile"),
            "where": self.wish.where if self.wish else "",
            "requires": f"{self.requires.value} ({self.requires.where})" if self.requires else "",
            "allowed": None if self.allowed is None else list(self.allowed),
            "tolerated": list(self.tolerated),
        }


def find_python(project: Project, tree: ProjectTree, requirements: str, kind: str) -> Pythons:
    """What the user states and the project's files say.

    Args:
        project: from `schema.check`.
        tree: the project's files.
        requirements: the path of its requirements.
        kind: their kind.

    Raises:
        ProjectError: for a stated version that the project does not run on, or where it runs on
            none that the kit can run.
    """
    if kind == "package":
        return Pythons(stated=project.python)
    requires = next(_requires(tree, requirements), None)
    ranges = specifiers(requires.value) if requires else []
    if not ranges:
        requires = None
    inside = tuple(version for version in SUPPORTED if _fits(version, ranges))
    if project.python:
        if requires and project.python not in inside:
            if kind in ("requirements", *EXPORTED):  # nobody checks it
                against = f"{requires.where} requires {requires.value}"
                return Pythons(
                    project.python, remark=f"{project.python} is tried, though {against}"
                )
            raise ProjectError(
                f"{tree.where}: project.python: the project does not run on {project.python}: "
                f"{requires.where} requires {requires.value}. Write a version that it allows, or "
                "remove the key."
            )
        return Pythons(project.python)
    allowed = inside if requires else None
    tolerated: tuple[str, ...] = ()
    if requires and kind == "requirements":
        # Nobody checks it when a requirements file is installed: a newer Python does for most.
        newest = max((minor_of(version) for version in inside), default=0)
        tolerated = tuple(one for one in SUPPORTED if minor_of(one) > newest)
    if requires and not inside and not tolerated:
        raise ProjectError(
            f"{tree.where}: the project runs on Python {requires.value} ({requires.where}), and "
            f"the kit on {SUPPORTED[-1]} to {SUPPORTED[0]}: change it there."
        )
    wish, remark = next(_wishes(tree), None), ""
    if wish and wish.value not in (inside if requires else SUPPORTED):
        against = f"{requires.where} requires {requires.value}" if requires else ""
        if wish.value not in SUPPORTED:
            against = f"the kit runs on {SUPPORTED[-1]} to {SUPPORTED[0]}"
        remark = f"{wish.value} ({wish.where}) is not followed: {against}"
        wish = None
    return Pythons("", wish, requires, allowed, tolerated, remark)


def minor_of(version: str) -> int:
    """The Y of X.Y."""
    return int(version.split(".")[1])


def _wishes(tree: ProjectTree) -> Iterator[Found]:
    """Exact versions that the project's files name, the plainest statement first."""
    for directory in above(tree.root):
        for name, pattern in (
            (".python-version", r"\s*(?:cpython-|python-)?(3\.\d+)(?:\.\d+)?\s*$"),
            ("runtime.txt", r"\s*python-(3\.\d+)"),
            (".tool-versions", r"python\s+(3\.\d+)"),
            ("Pipfile", r"""python_(?:full_)?version\s*=\s*["'](3\.\d+)"""),
        ):
            path = posixpath.join(directory, name)
            if path in tree.paths and (match := re.search(rf"(?m)^{pattern}", tree.read(path))):
                yield Found(match[1], path)
    dockerfiles = [path for path in tree.paths if posixpath.basename(path) == "Dockerfile"]
    for path in sorted(dockerfiles, key=nearest):
        # Also an image of uv's (`uv:python3.12-bookworm`), and `ARG PYTHON_VERSION=3.12`.
        pattern = r"(?im)^\s*FROM\s+(?:--\S+\s+)?\S*\bpython:?(3\.\d+)"
        text = _with_arguments(tree.read(path))
        if "devcontainer" not in path and (match := re.search(pattern, text)):
            yield Found(match[1], path)


def _with_arguments(dockerfile: str) -> str:
    """A Dockerfile with the defaults of its ARG lines in their places."""
    given = dict(re.findall(r"""(?m)^\s*ARG\s+(\w+)=["']?([\w.-]+)""", dockerfile))
    return re.sub(
        r"\$(?:(\w+)|{(\w+)(?::-[^}]*)?})", lambda m: given.get(m[1] or m[2], m[0]), dockerfile
    )


def _requires(tree: ProjectTree, requirements: str) -> Iterator[Found]:
    """The ranges of versions that the project's files name, those beside the requirements first."""
    name = posixpath.basename(requirements)
    if name == "pylock.toml" and (value := read_toml(tree, requirements).get("requires-python")):
        yield Found(value, requirements)
    folders = dict.fromkeys([posixpath.dirname(requirements), *above(tree.root)])
    for folder in folders:
        path = posixpath.join(folder, "pyproject.toml")
        text = _toml(tree, path)
        poetry = text.get("tool", {}).get("poetry", {}).get("dependencies", {})
        for value in (text.get("project", {}).get("requires-python"), poetry.get("python")):
            if isinstance(value, str):
                yield Found(value, path)
        path = posixpath.join(folder, "setup.cfg")
        if value := setup_cfg(tree, path).get("options", {}).get("python_requires"):
            yield Found(value, path)


def _toml(tree: ProjectTree, path: str) -> dict[str, Any]:
    """A pyproject.toml, which may hold a mistake where nothing else reads it."""
    try:
        return read_toml(tree, path)
    except ProjectError:
        return {}


def specifiers(text: str) -> list[SpecifierSet]:
    """A range of versions, as PEP 440 or Poetry writes it: one of the results must hold.

    None where it is neither: who wrote it will see what uv says of it.
    """
    found = []
    for part in re.split(r"\s*\|\|?\s*", text.strip()):
        words = [_pep440(word) for word in re.findall(r"[<>=!~^]*\s*[\w.*+!]+", part)]
        try:
            found.append(SpecifierSet(",".join(words)))
        except InvalidSpecifier:
            return []
    return found


def _pep440(word: str) -> str:
    """One condition: `^3.8`, `~3.8`, `3.12` and `3.*` are Poetry's."""
    match = re.fullmatch(r"([<>=!~^]*)\s*(\S+)", word)
    operator, version = (match[1], match[2]) if match else ("", word)
    numbers = version.replace(".*", "").split(".")
    if operator == "^":
        return f">={version},<{int(numbers[0]) + 1}" if numbers[0].isdigit() else word
    if operator == "~":
        return f">={version},=={'.'.join(numbers[:2])}.*"
    if operator in ("", "=", "==") and "*" not in version:
        return f"=={version}.*" if len(numbers) < 3 else f"=={'.'.join(numbers[:2])}.*"
    return f"=={version}" if operator in ("", "=") else f"{operator}{version}"


def _fits(version: str, ranges: list[SpecifierSet]) -> bool:
    """Whether some patch release of X.Y is in one of the ranges."""
    patches = [f"{version}.{patch}" for patch in (*range(40), 99)]
    return not ranges or any(patch in one for one in ranges for patch in patches)


def python_notes(python: Pythons) -> Iterator[str]:
    """What is known of the Python, to show before one is chosen on each machine."""
    if python.stated:
        yield note("python", python.stated, "project.python")
    if python.wish:
        weak = posixpath.basename(python.wish.where) == "Dockerfile"
        instead = "in place of a newer one of the machine's, " if weak else ""
        value = f"{python.wish.value} {instead}where it can be had"
        yield note("python", value, python.wish.where)
    elif python.requires:
        yield note("python", python.requires.value, python.requires.where)
    if python.remark:
        yield note("note", f"Python {python.remark}")
