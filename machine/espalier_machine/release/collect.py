"""Runs the project's collectstatic, and publishes what it collected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espalier_machine.common.text import last_line
from espalier_machine.release.compress import brotli_commands, compress_static, drop_larger
from espalier_machine.release.explain import explain_django
from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release
from espalier_machine.release.static import add_missing, publish_static


def collect_static(machine: Machine, release: Release, found: Mapping[str, Any]) -> str:
    """Run collectstatic and publish; returns the static folder inside the release, or ""."""

    def manage(*command: str) -> None:
        argv = [release.python, release.record["manage"], *command]
        explain = explain_django(f"{command[0]} failed", release.record.get("sqlite", ()))
        out = machine.run(argv, "static", explain, machine.environment(release), release.workdir)
        machine.progress.note(last_line(out))

    if not found["staticfiles"] or not found["static_root"]:
        lacking = "STATIC_ROOT" if found["staticfiles"] else "django.contrib.staticfiles"
        machine.progress.note(f"skipped: the project's settings have no {lacking}")
        return ""
    manage("collectstatic", "--noinput")
    folder = Path(found["static_root"])
    # What a build (Vite, gulp) made may be shipped in the place where static files are collected,
    # inside the virtualenv or the project's own tree, and only there.
    if found["shipped"] and folder.is_relative_to(release.path):
        with machine.as_user():
            count = add_missing(Path(found["shipped"]), folder)
        if count:
            machine.progress.note(f"{count} more that the project ships collected")
    if found["compress"]:  # django-compressor, told to serve only what was compressed before
        manage("compress")
    if not folder.is_relative_to(release.path):
        machine.progress.note(f"not published: the project collects into {folder} by itself")
        return ""
    with machine.as_user():
        folder.mkdir(parents=True, exist_ok=True)
        to_brotli = compress_static(folder, machine.static)
    for command in brotli_commands(to_brotli):
        machine.run(command, "static", last_line, machine.environment(), release.path)
    with machine.as_user():
        drop_larger(to_brotli)
        publish_static(folder, machine.static, replace=False)
    return str(folder.relative_to(release.path))
