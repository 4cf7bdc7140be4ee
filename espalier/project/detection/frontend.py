"""How what browsers run is built: stated, or asked for by a package.json with a build script."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from typing import Any

from espalier.project.detection.settings import listed_apps, settings_files
from espalier.project.detection.tree import ProjectTree
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import note

NODE = re.compile(r"\b(npm|npx|node|yarn|pnpm|bun)\b")
# What no package.json has named: the newest that works with the lock file's form.
YARN_1, YARN_4 = "1.22.22", "4"
PNPM, BUN = {"9": "9", "6": "8", "5": "7"}, "1"
LOCKS = ("pnpm-lock.yaml", "yarn.lock", "bun.lock", "package-lock.json", "npm-shrinkwrap.json")
# How settings say that static files lie among what npm installs: a path, or django-npm's finder.
FROM_MODULES = re.compile(r"node_modules|\bnpm\.finders\b|\bNPM_ROOT_PATH\b")
TAILWIND, TAILWIND_MADE = "django_tailwind_cli", "css/tailwind.css"  # by its default
TAILWIND_BUILD = "python manage.py tailwind download_cli && python manage.py tailwind build"
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


def find_build(project: Project, tree: ProjectTree, settings: str) -> Build:
    """What is stated, or what package.json files and the settings ask for.

    A package.json with a build script is built: the one in the root or beside manage.py, whose
    build is that of all, or each one elsewhere. Where none has one, and static files are taken from
    node_modules, what package.json files depend on is installed.

    Args:
        project: from `schema.check`.
        tree: the project's files.
        settings: the settings module.

    Raises:
        ProjectError: a package.json is no JSON.
    """
    texts = [tree.read(path) for path in settings_files(tree, settings)]
    found = list(_packages(tree, " ".join(texts))) if not project.package else []
    stated = project.build is not None
    commands = {command: "project.build" for command in project.build or ()}
    if not stated and project.node is not False:
        for folder, package in found:
            where = f"{_package(folder)}; `build: []` turns it off"
            commands[_command(tree, folder, package)] = where
    is_kept = any(path.endswith(TAILWIND_MADE) for path in tree.paths)
    if not stated and not is_kept and any(TAILWIND in listed_apps(text) for text in texts):
        commands[TAILWIND_BUILD] = f"{TAILWIND} among the apps; `build: []` turns it off"
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


def _packages(tree: ProjectTree, settings: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each directory with a package.json that the site needs, and what the file says."""
    main = [folder for folder in dict.fromkeys(("", tree.root)) if _package(folder) in tree.paths]
    packages = [(folder, _read(tree, folder)) for folder in main]
    if built := [(folder, package) for folder, package in packages if _has_build(package)]:
        yield built[0]
        return
    for path in dataclasses.replace(tree, root="").named("package.json"):
        folder = posixpath.dirname(path)
        is_served = bool(SERVED & {*folder.split("/")}) and not _is_locked(tree, folder)
        if folder not in main and not is_served:
            packages.append((folder, _read(tree, folder)))
    if built := [(folder, package) for folder, package in packages if _has_build(package)]:
        yield from built
    elif FROM_MODULES.search(settings) and not any("node_modules/" in one for one in tree.paths):
        yield from ((folder, one) for folder, one in packages if one.get("dependencies"))


def _is_locked(tree: ProjectTree, folder: str) -> bool:
    return any(posixpath.join(folder, name) in tree.paths for name in LOCKS)


def _read(tree: ProjectTree, folder: str) -> dict[str, Any]:
    """What a directory's package.json says."""
    path = _package(folder)
    try:
        package = json.loads(tree.read(path))
    except ValueError as error:
        raise ProjectError(
            f"{tree.where}: the project's {path} is not valid JSON: {error}."
        ) from None
    return package if isinstance(package, dict) else {}


def _has_build(package: dict[str, Any]) -> bool:
    return bool(_text(package.get("scripts"), "build"))


def _package(folder: str) -> str:
    return posixpath.join(folder, "package.json")


def _text(table: Any, key: str) -> str:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


def _command(tree: ProjectTree, folder: str, package: dict[str, Any]) -> str:
    """Install what the lock file says, with its manager, and run the build script if there is one.

    Without one, what its author needs to develop is left out.
    """
    named = re.match(r"(yarn|pnpm|bun)@(\d[\w.-]*)", _text(package, "packageManager"))
    version = {named[1]: named[2]} if named else {}

    def lock(name: str) -> str:
        return tree.read(posixpath.join(folder, name))

    if text := lock("pnpm-lock.yaml"):
        form = re.search(r"(?m)^lockfileVersion: *'?(\d+)", text)
        exact = version.get("pnpm") or PNPM.get(form[1] if form else "", "9")
        tool, install, less = f"npx --yes pnpm@{exact}", "install --frozen-lockfile", " --prod"
    elif text := lock("yarn.lock"):
        if "__metadata:" in text:
            tool = f"npx --yes @yarnpkg/cli-dist@{version.get('yarn') or YARN_4}"
            install, less = "install --immutable", ""
        else:
            tool = f"npx --yes yarn@{version.get('yarn') or YARN_1}"
            install, less = "install --frozen-lockfile", " --production"
    elif lock("bun.lock"):
        tool = f"npx --yes bun@{version.get('bun') or BUN}"
        install, less = "install --frozen-lockfile", " --production"
    else:
        is_locked = lock("package-lock.json") or lock("npm-shrinkwrap.json")
        tool, install, less = "npm", "ci" if is_locked else "install --no-save", " --omit=dev"
    commands = f"{tool} {install}"
    commands += f" && {tool} run build" if _has_build(package) else less
    below = posixpath.relpath(folder or ".", tree.root or ".")
    return commands if below == "." else f"cd {shlex.quote(below)} && {commands}"
