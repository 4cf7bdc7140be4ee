"""The scripts in a release's bin/ and its release.env: how its processes start."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espalier_machine.common.templates import render


def release_environment(build: Mapping[str, Any], path: Path) -> dict[str, str]:
    """The release's own variables; `path` is where the release will be."""
    overlay = "espalier_overlay.settings"
    return {
        "DJANGO_SETTINGS_MODULE": overlay if build["overlay"] else build["settings"],
        "ESPALIER_SETTINGS": build["settings"],
        "ESPALIER_RELEASE": path.name,
        "ESPALIER_STATIC_ROOT": str(path / "static"),
        "PYTHONPATH": ":".join(
            f"{path}/{one}" for one in ("overlay", build["workdir"], *build.get("imported", ()))
        ),
        **({"DJANGO_CONFIGURATION": name} if (name := build.get("configuration")) else {}),
    }


# Words after which a line is more than one command.
SHELL_WORDS = {"case", "cd", "exec", "export", "for", "if", "set", "trap", "until", "while"}
SHELL_WORDS |= {"!", "."}


def script(build: Mapping[str, Any], name: str, **values: str) -> str:
    """A script in bin/: `$release` is its release, and it runs in the directory of manage.py."""
    # A script has no value in it, as a password may change: it takes what its environment has.
    given = "".join(
        f'[ -z "${{{kits}-}}" ] || export {name}="${{{name}-${kits}}}"\n'
        for name, kits in build.get("given", {}).items()
    )
    begin = render(__package__, "begin.sh", workdir=shlex.quote(build["workdir"]), given=given)
    return begin + render(__package__, name, **values)


def web_script(build: Mapping[str, Any], gunicorn_config: Path) -> str:
    """The text of bin/web, which the web unit runs with --bind.

    Each server has a template. Sizes come from the machine's environment; gunicorn has a file too.
    """
    is_asgi = build["interface"] == "asgi"
    server = build.get("server") or "gunicorn"
    values = {"application": shlex.quote(build["application"])}
    if server == "granian":
        values["interface"] = "asginl" if is_asgi else "wsgi"
        values["threads"] = "" if is_asgi else '--blocking-threads "$ESPALIER_WEB_THREADS" '
    if server == "gunicorn":
        # The asgi worker warns of a number of threads, as it starts one for each request under way.
        values["worker"] = "--worker-class asgi --threads 1 " if is_asgi else ""
        values["config"] = shlex.quote(str(gunicorn_config))
    return script(build, f"web-{server}.sh", **values)


def shell_line(command: str) -> str:
    """A command as a line for a shell that becomes it, so that it is the one told to end.

    A shell stays where the line is more than one command; to pass signals on is its business then.
    """
    first = command.split(maxsplit=1)[0]
    if re.search(r"[;&|<>(){}`\n]", command) or first in SHELL_WORDS:
        return command
    return f"exec env {command}" if "=" in first else f"exec {command}"


def process_script(build: Mapping[str, Any]) -> str:
    """The script that becomes one of the project's other processes, or one of its commands.

    Its argument is `NAME-NUMBER` for a process, `NAME` for what is scheduled. Commands are the
    project's, for a shell, in the directory of manage.py, with the virtualenv in front.
    """
    cases = ""
    for name, process in build.get("processes", {}).items():
        run = f"exec sh -c {shlex.quote(shell_line(process['command']))}"
        if process["single"]:
            exclusive = f'"$release/venv/bin/python" -m espalier_overlay.run_exclusive {name} --'
            run = f"exec {exclusive} sh -c {shlex.quote(shell_line(process['command']))}"
        cases += f"{name}-*) {run};;\n"
    for name, scheduled in build.get("schedule", {}).items():
        cases += f"{name}) exec sh -c {shlex.quote(scheduled['command'])};;\n"
    return script(build, "process.sh", cases=cases)
