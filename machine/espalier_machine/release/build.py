"""Builds a release of an archive, complete or not at all."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from espalier_machine.common.forms import new_release_id
from espalier_machine.common.text import last_line, now
from espalier_machine.release.archive import read_build, unpack
from espalier_machine.release.children import low_priority
from espalier_machine.release.collect import collect_static
from espalier_machine.release.disk import MEGABYTE, require_space
from espalier_machine.release.environment import format_environment
from espalier_machine.release.errors import ReleaseError, UsageError
from espalier_machine.release.machine import Machine
from espalier_machine.release.project_build import build_project, require_node
from espalier_machine.release.prune import remove_leftovers
from espalier_machine.release.pythons import built_on, choose_python, own_python
from espalier_machine.release.record import Release, valid_id
from espalier_machine.release.schedule import check_schedule
from espalier_machine.release.scope import end_leftovers
from espalier_machine.release.scripts import process_script, release_environment, web_script
from espalier_machine.release.settings import choose_settings, load_settings
from espalier_machine.release.side_by_side import plan
from espalier_machine.release.virtualenv import make_venv
from espalier_machine.release.writable import link_writable, sqlite_files


def find_prepared(machine: Machine, build: Mapping[str, Any], id: str | None) -> Release | None:
    """A complete release of the same archive and Python; with `id`, only that one."""
    if id and not valid_id(id):
        raise UsageError(f"{id!r} cannot name a release; use letters, digits, '.', '_' and '-'.")
    own = own_python(machine)
    same = [
        release
        for release in machine.all()
        if release.record["identity"] == build["identity"] and built_on(release.record) == own
    ]
    if id is None:
        return same[0] if same else None
    if machine.load(id) and id not in {release.id for release in same}:
        raise UsageError(f"release {id} exists with other content; choose another --id.")
    return next((release for release in same if release.id == id), None)


def unpack_into(machine: Machine, archive: Path, staging: Path, rollback: ExitStack) -> None:
    """Unpack an archive's files, once what a killed run left is removed and there is room."""
    end_leftovers()
    remove_leftovers(machine)
    with tarfile.open(archive, "r:gz") as tar:
        # unpacked once, again as bytecode, and again as static files
        require_space(machine.build, 3 * sum(member.size for member in tar) + 50 * MEGABYTE)
    rollback.callback(machine.discard, staging)
    # opened as root, since an upload may be for root's eyes only
    with open(archive, "rb") as file, machine.as_user():
        staging.mkdir()
        unpack(file, staging)


@low_priority()
def build_virtualenv(machine: Machine, archive: Path, rollback: ExitStack) -> str:
    """Make the virtualenv of `archive`, and no release; returns its name."""
    build, step = read_build(archive, machine.config.project), machine.progress.step
    staging = machine.build / "virtualenv"
    with step("unpack", f"unpack {build['source']}"):
        unpack_into(machine, archive, staging, rollback)
    with step("install", "install requirements"):
        python = choose_python(machine, build)
        venv = make_venv(machine, build, python, staging, rollback)
    machine.discard(staging)
    return venv


@low_priority()
def prepare(
    machine: Machine, archive: Path, id: str | None, rollback: ExitStack, settings: str = ""
) -> tuple[Release, bool]:
    """Build the release of `archive`, or find it built; returns it and whether it was built now.

    Of several settings, those that the site has are tried first: this machine's, else `settings`.
    """
    build = read_build(archive, machine.config.project)
    check_schedule(build)
    require_node(machine, build)
    if release := find_prepared(machine, build, id):
        return release, False
    plan(machine, build)  # what could not start beside the live release is not built either
    id = id or new_release_id(build["identity"])
    staging, path = machine.build / id, machine.releases / id
    step = machine.progress.step
    with step("unpack", f"unpack {build['source']} as {id}"):
        unpack_into(machine, archive, staging, rollback)
        link_writable(machine, build, staging)
    with step("install", "install requirements"):
        python = choose_python(machine, build)
        venv = make_venv(machine, build, python, staging, rollback)
    with step("unpack", "write the release's own files"), machine.as_user():
        text = format_environment(release_environment(build, path))
        (staging / "release.env").write_text(text)
        (staging / "bin").mkdir()
        config = machine.config.file.parent / "gunicorn.conf.py"
        for name, text in (
            ("web", web_script(build, config)),
            ("process", process_script(build)),
        ):
            (staging / "bin" / name).write_text(text)
            (staging / "bin" / name).chmod(0o755)
        (staging / "venv").symlink_to(f"../../venvs/{venv}")
        rollback.callback(machine.discard, path)
        staging.rename(path)
    record = build | {"id": path.name, "venv": venv, **python.record()}
    release = Release(path, record)
    choose_settings(machine, release, settings)
    installed = build_project(machine, release)
    with step("check", "import the project's settings"):
        found = load_settings(machine, release, settings)
        for name in found.get("log_files", ()):
            machine.progress.tell(f"what goes to {name} is in the journal: a release is read-only")
        if files := sqlite_files(release, found):
            record["sqlite"] = files
            for name in files:
                machine.progress.tell(f"the database {name} is the release's own: see `writable:`")
    with step("static", "collect static files"):
        record["static"] = collect_static(machine, release, found)
    with machine.as_user():
        for folder in installed:
            shutil.rmtree(folder)
    with step("compile", "compile to bytecode"), suppress(ReleaseError):
        argv = [release.python, "-m", "compileall", "-q", "code", "overlay"]
        env = machine.environment(release)
        machine.run(argv, "compile", last_line, env, path)  # a project may hold odd files
    with step("unpack", "mark the release complete"), machine.as_user():
        record["prepared"] = now()
        fresh = path / ".release.json.new"
        fresh.write_text(json.dumps(record, indent=1) + "\n")
        fresh.rename(path / "release.json")
    return release, True
