"""How what browsers run is built: stated, or asked for by a package.json with a build script."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from typing import Any

from espalier.project.detection.tree import ProjectTree
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import note

NODE = re.compile(r"\b(npm|npx|node|yarn|pnpm|bun)\b")
# What no package.json has named: the newest that works with the lock file's form.
YARN_1, YARN_4 = "1.22.22", "4"
PNPM, BUN = {"9": "9", "6": "8", "5": "7"}, "1"
LOCKS = ("pnpm-lock.yaml", "yarn.lock", "bun.lock", "package-lock.json", "npm-shrinkwrap.json")
# Where packages of others are kept to be served; one that was published never has a lock file.
SERVED = {"static", "staticfiles", "vendor"}


@dataclasses.dataclass(frozen=True)
class Build:
    """The commands that run in a new release before its static files are collected.

    Attributes:
        commands: for a shell, in the directory of manage.py.
        detected: whether nobody stated them.
        node: whether they need node and npm.
        engines: which versions of node are asked for, in npm's words; "" for any.
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
    """What is stated, or what a package.json asks for.

    That is the one in the root or beside manage.py, whose build is that of all; where there is
    none, each one elsewhere.

    Raises:
        ProjectError: a package.json is no JSON.
    """
    found = list(_packages(tree)) if not project.package else []
    stated = project.build is not None
    commands = {command: "project.build" for command in project.build or ()}
    if not stated and project.node is not False:
        for folder, _ in found:
            where = f"{_package(folder)}; `build: []` turns it off"
            commands[_command(tree, folder)] = where
    wanted = project.node
    node = bool(wanted) if wanted is not None else bool(NODE.search(" ".join(commands)))
    engines = [_text(package.get("engines"), "node") for _, package in found] if node else []
    notes = [note("build", command, where) for command, where in commands.items()]
    asked = wanted if isinstance(wanted, str) else next(filter(None, engines), "")
    if node:
        why = "the build names it" if wanted is None else "project.node"
        other = f"; another one of npm's where Debian's is not {asked}" if asked else ""
        notes.append(note("node", f"Debian's node and npm{other}", why))
    return Build(tuple(commands), bool(commands) and not stated, node, asked, tuple(notes))


def _packages(tree: ProjectTree) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each directory whose package.json has a build script of the site, and what the file says."""
    main = [folder for folder in dict.fromkeys(("", tree.root)) if _package(folder) in tree.paths]
    for folder in main:
        if package := _with_build(tree, folder):
            yield folder, package
            return
    for path in dataclasses.replace(tree, root="").named("package.json"):
        folder = posixpath.dirname(path)
        if folder in main or (SERVED & {*folder.split("/")} and not _is_locked(tree, folder)):
            continue
        if package := _with_build(tree, folder):
            yield folder, package


def _is_locked(tree: ProjectTree, folder: str) -> bool:
    return any(posixpath.join(folder, name) in tree.paths for name in LOCKS)


def _with_build(tree: ProjectTree, folder: str) -> dict[str, Any]:
    """What a directory's package.json says, {} where it has no build script."""
    path = _package(folder)
    try:
        package = json.loads(tree.read(path))
    except ValueError as error:
        raise ProjectError(
            f"{tree.where}: the project's {path} is not valid JSON: {error}."
        ) from None
    has_build = isinstance(package, dict) and _text(package.get("scripts"), "build")
    return package if has_build else {}


def _package(folder: str) -> str:
    return posixpath.join(folder, "package.json")


def _text(table: Any, key: str) -> str:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


def _command(tree: ProjectTree, folder: str) -> str:
    """Install what the lock file says, with its manager, and run the build script."""
    package = json.loads(tree.read(_package(folder)))
    named = re.match(r"(yarn|pnpm|bun)@(\d[\w.-]*)", _text(package, "packageManager"))
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
    elif lock("bun.lock"):
        tool = f"npx --yes bun@{version.get('bun') or BUN}"
        commands = f"{tool} install --frozen-lockfile && {tool} run build"
    elif lock("package-lock.json") or lock("npm-shrinkwrap.json"):
        commands = "npm ci && npm run build"
    else:
        commands = "npm install --no-save && npm run build"
    below = posixpath.relpath(folder or ".", tree.root or ".")
    return commands if below == "." else f"cd {shlex.quote(below)} && {commands}"
