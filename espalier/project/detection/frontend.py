"""How what browsers run is built: stated, or asked for by a package.json with a build script."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any

from espalier.project.detection.tree import ProjectTree
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import note

NODE = re.compile(r"\b(npm|npx|node|yarn|pnpm)\b")
# What no package.json has named: the newest that works with the lock file's form.
YARN_1, YARN_4 = "1.22.22", "4"
PNPM = {"9": "9", "6": "8", "5": "7"}


@dataclasses.dataclass(frozen=True)
class Build:
    """The commands that run in a new release before its static files are collected.

    Attributes:
        commands: for a shell, in the directory of manage.py.
        detected: whether nobody stated them.
        node: whether they need node and npm.
        engines: which versions of node the project asks for, in npm's words; "" for any.
        notes: lines to show before.
    """

    commands: tuple[str, ...] = ()
    detected: bool = False
    node: bool = False
    engines: str = ""
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """What build.json has of it; {} where nothing is built."""
        if not self.commands and not self.node:
            return {}
        values = dataclasses.asdict(self) | {"commands": list(self.commands)}
        del values["notes"]
        return values


def find_build(project: Project, tree: ProjectTree) -> Build:
    """What is stated, or what a package.json asks: in the root, beside manage.py, or in frontend/.

    Raises:
        ProjectError: a package.json is no JSON.
    """
    found = next(_packages(tree), None) if not project.package else None
    stated = project.build is not None
    commands = project.build or ()
    if found and not stated and project.node is not False:
        folder, _ = found
        commands = _commands(tree, folder)
    node = project.node if project.node is not None else bool(NODE.search(" ".join(commands)))
    engines = _text(found[1].get("engines"), "node") if found and node else ""
    where = "project.build"
    if commands and not stated:
        where = f"{_package(found[0] if found else '')}; `build: []` turns it off"
    notes = [note("build", command, where) for command in commands]
    if node and project.node is None:
        notes.append(note("node", "Debian's node and npm", "the build names it"))
    return Build(commands, bool(commands) and not stated, node, engines, tuple(notes))


def _packages(tree: ProjectTree) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each directory whose package.json has a build script, and what the file says."""
    for base in dict.fromkeys(("", tree.root)):
        for folder in (base, posixpath.join(base, "frontend")):
            path = _package(folder)
            if path not in tree.paths:
                continue
            try:
                package = json.loads(tree.read(path))
            except ValueError as error:
                raise ProjectError(
                    f"{tree.where}: the project's {path} is not valid JSON: {error}."
                ) from None
            if isinstance(package, dict) and _text(package.get("scripts"), "build"):
                yield folder, package


def _package(folder: str) -> str:
    return posixpath.join(folder, "package.json")


def _text(table: Any, key: str) -> str:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


def _commands(tree: ProjectTree, folder: str) -> tuple[str, ...]:
    """Install what the lock file says, with its manager, and run the build script."""
    package = json.loads(tree.read(_package(folder)))
    named = re.match(r"(yarn|pnpm)@(\d[\w.-]*)", _text(package, "packageManager"))
    version = {named[1]: named[2]} if named else {}

    def lock(name: str) -> str:
        return tree.read(posixpath.join(folder, name))

    if text := lock("pnpm-lock.yaml"):
        form = re.search(r"(?m)^lockfileVersion: *'?(\d+)", text)
        exact = version.get("pnpm") or PNPM.get(form[1] if form else "", "9")
        tool = f"npx --yes pnpm@{exact}"
        commands = f"{tool} install --frozen-lockfile && {tool} run build"
    elif text := lock("yarn.lock"):
        if "__metadata:" in text:
            tool = f"npx --yes @yarnpkg/cli-dist@{version.get('yarn') or YARN_4}"
            commands = f"{tool} install --immutable && {tool} run build"
        else:
            tool = f"npx --yes yarn@{version.get('yarn') or YARN_1}"
            commands = f"{tool} install --frozen-lockfile && {tool} run build"
    elif lock("package-lock.json") or lock("npm-shrinkwrap.json"):
        commands = "npm ci && npm run build"
    else:
        commands = "npm install --no-save && npm run build"
    below = posixpath.relpath(folder or ".", tree.root or ".")
    return (commands if below == "." else f"cd {below} && {commands}",)
