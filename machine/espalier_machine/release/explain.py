"""Turns what uv, Django and gunicorn print into a sentence that says what to change."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from espalier_machine.common.excerpt import error_line
from espalier_machine.common.text import last_line
from espalier_machine.release.disk import disk_full
from espalier_machine.release.unwritable import write_hint

# What compilers and build scripts print of a file or a program that they did not find.
LACKS = (
    r"fatal error: (\S+\.(?:h|hpp)): No such file",
    r"cannot find -l(\S+)",
    r"No package '([\w.+-]+)' found",
    r"Package '?([\w.+-]+?)'?,? (?:required by|was not found)",
    r"\b(pg_config|mysql_config|gdal-config|geos-config|krb5-config|cmake|cargo|swig)\b.*not found",
    r"command '([\w.+-]+)' failed: No such file",
    r"No such file or directory: '([\w.+-]+)'",
    r"sh: \d+: ([\w.+-]+): not found",
)


def explain_uv(output: str, root: Path) -> str:
    """What to change when uv could not install, told from its output."""
    lowered = output.lower()
    causes = re.findall(r"cause: (.+)", output)
    if "no space left on device" in lowered or "os error 28" in lowered:
        return disk_full(root)
    compilers = ("failed to build", "python.h", "pg_config", "gcc", "error: command")
    if any(word in lowered for word in compilers):
        return explain_build(output)
    if "no solution found" in lowered or "not found in the package registry" in lowered:
        return (
            f"the requirements cannot be met together: {causes[0] if causes else last_line(output)}"
        )
    if any(word in lowered for word in ("failed to fetch", "error sending request", "dns error")):
        return "the package index cannot be reached from this machine; see below which address."
    return f"uv could not install the requirements: {last_line(output)}"


def explain_build(output: str) -> str:
    """What to change when a package has no wheel that fits and could not be compiled."""
    which = re.search(r"[Ff]ailed to (?:download and )?build `?([\w.-]+(?:==[\w.+!-]+)?)", output)
    what = f"{which[1]} has no wheel that fits here, and" if which else "a requirement"
    lacks = next((found[1] for one in LACKS if (found := re.search(one, output))), "")
    if lacks:
        return (
            f"{what} could not be compiled: {lacks} is missing; add the Debian package that has it "
            "under `packages:` in project.yml."
        )
    # uv indents what a build has printed.
    errors = re.findall(r"(?m)^\s+((?:\w+\.)*\w*(?:Error|Exception): .+)$", output)
    cause = f" ({errors[-1]})" if errors else ""
    return (
        f"{what} could not be compiled{cause}, see below; a version with a wheel for this "
        "machine's Python helps, as a newer one often has, another Python (`python:`), or what it "
        "needs under `packages:` in project.yml."
    )


def explain_django(what: str, sqlite: Sequence[str] = ()) -> Callable[[str], str]:
    """Make the function that turns a traceback into a sentence beginning with `what`.

    `sqlite` are the project's SQLite files.
    """

    def explain(output: str) -> str:
        cause, hint = error_line(output), ""
        if "ModuleNotFoundError" in cause:
            hint = (
                " (add the package to the requirements, or to `extra_requirements:` in project.yml)"
            )
        elif re.match(r"KeyError|[\w.]*ImproperlyConfigured|[\w.]*UndefinedValueError", cause):
            hint = (
                " (a missing environment variable belongs under `environment:` in project.yml, a "
                "file that is not in git under `files:`)"
            )
        return f"{what}: {cause}{hint or write_hint(output, sqlite)}"

    return explain


def ran_out_of_memory(log: str) -> bool:
    """Whether a unit's log says so: systemd, or gunicorn of a worker that it did not end itself."""
    gunicorn = "Perhaps out of memory" in log and "WORKER TIMEOUT" not in log
    return gunicorn or "killed by the OOM killer" in log or "'oom-kill'" in log


def explain_start(log: str, sqlite: Sequence[str] = ()) -> tuple[str, str]:
    """What matters of a unit's log, and the cause as the end of a sentence.

    A worker's traceback is the project's; what gunicorn's master prints after it hides it.
    `sqlite` are the project's SQLite files.
    """
    if ran_out_of_memory(log):
        return log.strip(), (
            ": one of its processes was ended for want of memory. A second release has to fit "
            "beside the live one until traffic is switched; what helps: swap or a larger machine"
        )
    parts = log.split("Exception in worker process\n")
    if len(parts) == 1:
        hint = write_hint(log, sqlite)
        return log.strip(), f": {error_line(log)}{hint}" if hint else ""
    own = re.split(r"^\[", parts[1], maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    # The line after the last frame; below it the worker repeats the message alone.
    errors = re.findall(r"^[A-Za-z_][\w.]*: .+", own, re.MULTILINE)
    cause = f": {errors[-1] if errors else last_line(own)}"
    return own, cause + write_hint(own, sqlite)
