"""Turns what uv, Django and gunicorn print into a sentence that says what to change."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from espalier_machine.common.excerpt import error_line
from espalier_machine.common.text import last_line
from espalier_machine.release.disk import disk_full


def explain_uv(output: str, root: Path) -> str:
    """What to change when uv could not install, told from its output."""
    lowered = output.lower()
    causes = re.findall(r"cause: (.+)", output)
    if "no space left on device" in lowered or "os error 28" in lowered:
        return disk_full(root)
    compilers = ("failed to build", "python.h", "pg_config", "gcc", "error: command")
    if any(word in lowered for word in compilers):
        libpq = ", libpq-dev" if "pg_config" in lowered else ""
        return (
            "a requirement has to be compiled here and could not be; add what it needs under "
            f"`packages:` in project.yml, for example build-essential, python3-dev{libpq}."
        )
    if "no solution found" in lowered or "not found in the package registry" in lowered:
        return (
            f"the requirements cannot be met together: {causes[0] if causes else last_line(output)}"
        )
    if any(word in lowered for word in ("failed to fetch", "error sending request", "dns error")):
        return "the package index cannot be reached from this machine; see below which address."
    return f"uv could not install the requirements: {last_line(output)}"


def explain_django(what: str) -> Callable[[str], str]:
    """Make the function that turns a traceback into a sentence beginning with `what`."""

    def explain(output: str) -> str:
        cause, hint = error_line(output), ""
        if "ModuleNotFoundError" in cause:
            hint = (
                " (add the package to the requirements, or to `extra_requirements:` in project.yml)"
            )
        elif re.match(r"KeyError|[\w.]*ImproperlyConfigured|[\w.]*UndefinedValueError", cause):
            hint = " (a missing environment variable belongs under `environment:` in project.yml)"
        return f"{what}: {cause}{hint}"

    return explain


def ran_out_of_memory(log: str) -> bool:
    """Whether a unit's log says so: systemd, or gunicorn of a worker that it did not end itself."""
    gunicorn = "Perhaps out of memory" in log and "WORKER TIMEOUT" not in log
    return gunicorn or "killed by the OOM killer" in log or "'oom-kill'" in log


def explain_start(log: str) -> tuple[str, str]:
    """What matters of a unit's log, and the cause as the end of a sentence.

    A worker's traceback is the project's; what gunicorn's master prints after it hides it.
    """
    if ran_out_of_memory(log):
        return log.strip(), (
            ": one of its processes was ended for want of memory. A second release has to fit "
            "beside the live one until traffic is switched; what helps: swap or a larger machine"
        )
    parts = log.split("Exception in worker process\n")
    if len(parts) == 1:
        return log.strip(), ""
    own = re.split(r"^\[", parts[1], maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    # The line after the last frame; below it the worker repeats the message alone.
    errors = re.findall(r"^[A-Za-z_][\w.]*: .+", own, re.MULTILINE)
    cause = f": {errors[-1] if errors else last_line(own)}"
    if denied := re.search(r"(?:Read-only file system|Permission denied): '(.+)'", own):
        where = os.path.dirname(denied[1])
        cause += (
            f" (it cannot write to {where}: have the project write to a directory outside of the "
            "release, and name that under `writable:` in project.yml)"
        )
    return own, cause
