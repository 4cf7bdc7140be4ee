"""The virtual environment of a release, named after the hash of what is asked for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espalier_machine.common.text import last_line
from espalier_machine.release import hashes, native, wheels
from espalier_machine.release.disk import MEGABYTE, require_space
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.explain import explain_uv
from espalier_machine.release.machine import Machine
from espalier_machine.release.old_requirements import (
    DROPPED,
    NO_MODULE,
    Workarounds,
    old_django,
)
from espalier_machine.release.record import Release
from espalier_machine.release.remotes import explain_remote, indexes, remote_environment
from espalier_machine.release.requirements import (
    Requirements,
    logical_lines,
    named,
    needed_extras,
    read_requirements,
)

if TYPE_CHECKING:
    from espalier_machine.release.pythons import Python

VENV_SPACE = 300 * MEGABYTE  # a Django project with a database driver and a few libraries


def venv_name(
    requirements: Requirements,
    extras: Sequence[str],
    python: str,
    identity: str,
    index: Sequence[str] = (),
) -> str:
    """16 hex: the same for the same requirements, extras and Python, whatever the code is."""
    own = identity if requirements.is_local else ""
    asked = dataclasses.asdict(requirements)
    if not requirements.options:  # which came later than the names of many environments
        del asked["options"]
    parts = [asked, sorted(extras), python, own, *index]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def uv_environment(machine: Machine) -> dict[str, str]:
    """What uv sees: the machine's settings, the system's certificates, no Python of itself."""
    return machine.environment() | {
        "UV_CACHE_DIR": str(machine.cache / "uv"),
        "UV_SYSTEM_CERTS": "1",
        "UV_NATIVE_TLS": "1",  # the older name of the line above
        "UV_PYTHON_DOWNLOADS": "manual",  # by `uv python install` alone
        "UV_PYTHON_INSTALL_DIR": str(machine.pythons),
        "UV_COMPILE_BYTECODE": "1",
        "UV_NO_PROGRESS": "1",
    }


def make_venv(
    machine: Machine,
    build: Mapping[str, Any],
    python: Python,
    tree: Path,
    rollback: ExitStack,
) -> str:
    """Make or reuse the virtualenv for the archive unpacked at `tree`; returns its name.

    A virtualenv cannot be moved, so it is built in place and marked complete at the end.
    """
    extras = build["extra_requirements"]
    with machine.as_user():
        wanted = read_requirements(build, tree)
    index = indexes(build)
    venv = machine.venvs / venv_name(wanted, extras, python.version, build["identity"], index)
    if (venv / ".complete").exists():
        machine.progress.note(f"the virtualenv {venv.name} is there already")
        return venv.name
    machine.discard(venv)
    require_space(machine.venvs, VENV_SPACE)
    rollback.callback(machine.discard, venv)
    folder = tree / os.path.dirname(wanted.path)
    files = wanted.texts.items() if wanted.kind == "requirements" else ()
    hashed = [name for name, text in files if "--hash=" in text]

    workarounds = Workarounds(machine)

    def uv(*argv: str, stdin: str | None = None) -> str:
        def explain(output: str) -> str:
            return explain_remote(machine, output) or explain_uv(output, machine.venvs)

        def install(prefer: Callable[[str], str]) -> str:
            for name in hashed:
                text = prefer(wanted.texts[name])
                with machine.as_user():
                    (tree / name).write_text(text)
            given = prefer(stdin) if stdin else None
            more = workarounds.requirements if argv[:2] == ("pip", "install") else []
            command = [machine.config.uv, *argv, *more]
            return machine.run(
                command, "install", explain, env | workarounds.variables, folder, given
            )

        def attempt() -> str:
            try:
                return hashes.preferred(machine, python.version, install)
            except ReleaseError as error:
                if not workarounds.find(error.detail):
                    raise
            finally:
                wheels.keep(machine)
            return attempt()

        with remote_environment(machine, build) as remote:
            env = uv_environment(machine) | remote | {"UV_FIND_LINKS": str(machine.wheels)}
            return native.with_packages(machine, attempt)

    at = ("--python", str(venv))
    uv("venv", "--python", python.path, str(venv))
    source, stdin, constrained = ["-r", str(tree / wanted.path)], None, set[str]()
    if wanted.kind == "package":
        source = [wanted.spec]
        # What a package pins is known only once it is resolved.
        names = named(logical_lines(uv("pip", "compile", "-q", *at, "-", stdin=wanted.spec)))
    elif wanted.kind == "metadata":
        source += wanted.options
        names = named(logical_lines(uv("pip", "compile", "-q", *at, *wanted.options, source[1])))
    elif wanted.kind == "uv.lock":
        source = ["-r", "-"]
        options = (
            "--frozen",
            "--no-dev",
            "--no-emit-project",
            "--no-editable",
            *wanted.options,
            *at,
        )
        stdin = uv("export", "-q", *options)
        names = named(logical_lines(stdin))
    elif wanted.kind == "pyproject":
        project = tomllib.loads(wanted.texts[wanted.path]).get("project", {})
        source = [*source, *wanted.options] if project else [*wanted.options]
        compiled = () if project else logical_lines(uv("pip", "compile", "-q", *at, *source))
        names = named([*project.get("dependencies", []), *compiled])
    elif wanted.kind == "pylock.toml":
        uv("pip", "install", *at, *source, *wanted.options)  # uv takes nothing beside such a file
        source = []
        packages = tomllib.loads(wanted.texts[wanted.path]).get("packages", [])
        names = named(package["name"] for package in packages)
    else:
        lines = {name: logical_lines(text) for name, text in wanted.texts.items()}
        names = named(line for name in lines.keys() - wanted.constraints for line in lines[name])
        constrained = named(line for name in wanted.constraints for line in lines[name])
    if wanted.is_local:  # an editable install would point into the staging directory
        source.insert(0, "--no-editable")
    if asked := [*source, *needed_extras(extras, names, constrained)]:
        uv("pip", "install", *at, *asked, stdin=stdin)
    frozen = uv("pip", "freeze", "-q", *at)
    native.install(machine, native.needed_to_run(frozen))
    if old := old_django(frozen):
        machine.progress.tell(old)
    with machine.as_user():
        (venv / ".complete").touch()
    return venv.name


def with_dropped_modules(machine: Machine, release: Release, run: Callable[[], str]) -> str:
    """Run a command, and again with what Python has dropped, as long as it lacks more of that.

    Raises ReleaseError as `run` does.
    """
    added: set[str] = set()
    while True:
        try:
            return run()
        except ReleaseError as error:
            modules = [one for one in NO_MODULE.findall(error.detail) if one in DROPPED]
            package = next((DROPPED[one] for one in modules if DROPPED[one] not in added), None)
            if not package:
                raise
            added.add(package)
            machine.progress.tell(f"{package} is added: something imports what Python has dropped")
            argv = [machine.config.uv, "pip", "install", "--python", release.python, package]
            with remote_environment(machine, release.record) as remote:
                env = uv_environment(machine) | remote
                machine.run(argv, "install", last_line, env, machine.root)


def requirement_changes(
    machine: Machine, live: Release | None, release: Release
) -> dict[str, list[str]]:
    """Package -> its versions in the live release and in the new one, "" for none; what differs."""
    if live is None or live.record["venv"] == release.record["venv"]:
        return {}

    def installed(one: Release) -> dict[str, str]:
        argv = [machine.config.uv, "pip", "freeze", "--python", one.python]
        out = machine.run(argv, "plan", last_line, uv_environment(machine), machine.root)
        pairs = (re.split(r"==| @ ", line, maxsplit=1) for line in out.splitlines())
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    before, after = installed(live), installed(release)
    names = sorted(before.keys() | after.keys())
    changes = {name: [before.get(name, ""), after.get(name, "")] for name in names}
    return {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
