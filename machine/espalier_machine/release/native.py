"""What Python packages need of Debian: compilers and headers to be built, libraries to run.

uv is asked rather than requirement lines read: only what it could not install without them brings
a compiler to the machine. The table is templates/native.toml.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping

from espalier_machine.common import system, templates
from espalier_machine.release.errors import OutOfMemory, ReleaseError
from espalier_machine.release.machine import Machine
from espalier_machine.release.requirements import requirement_name

COMPILER = ("build-essential", "python3-dev", "pkg-config")
# What uv prints of a package without a wheel for this machine that could not be built,
# and where a requirement is a repository (crates/uv-distribution and uv-git of its source).
FAILED = re.compile(r"[Ff]ailed to (?:download and )?build `?([A-Za-z0-9][\w.-]*)")
# Of npm and pnpm, then of yarn, and of a shell.
NO_GIT = re.compile(
    r"Git executable not found|No such file or directory: 'git'"
    r"|spawn git ENOENT|Couldn't find the binary git|\bgit: not found"
)
# Of Django's compilemessages; and of node-gyp, which compiles what npm has no binary of.
NO_MSGFMT = re.compile(r"Can't find msgfmt|\bmsgfmt: not found")
GYP = re.compile(r"\bgyp ERR! ")
# What Django prints where a library of GeoDjango's is missing (django.contrib.gis.gdal.libgdal).
NO_GIS = re.compile(r"Could not find the (?:GDAL|GEOS) library")
GIS = ("gdal-bin", "libgeos-c1t64 | libgeos-c1v5")


@functools.cache
def table() -> Mapping[str, Mapping[str, list[str]]]:
    """Normalised package name -> {"build": [...], "run": [...]}, names of Debian packages."""
    return tomllib.loads(templates.read(__package__, "native.toml"))


def failed_builds(output: str) -> list[str]:
    """The normalised names of the packages that uv could not build, told from its output."""
    # Which uv calls a failed build, too.
    if "Git operation failed" in output or "Hash mismatch" in output:
        return []
    return sorted({name for found in FAILED.findall(output) if (name := requirement_name(found))})


def missing(output: str) -> list[str]:
    """The Debian packages that may mend what a command printed when it failed; [] for none."""
    wanted = ["git"] if NO_GIT.search(output) else []
    wanted += GIS if NO_GIS.search(output) else []
    wanted += ["gettext"] if NO_MSGFMT.search(output) else []
    wanted += COMPILER if GYP.search(output) else []
    if failed := failed_builds(output):
        wanted += COMPILER
    for name in failed:
        wanted += table().get(name, {}).get("build", [])
    return wanted


def needed_to_run(frozen: str) -> list[str]:
    """The Debian packages that the installed ones look for when they run.

    Args:
        frozen: what `uv pip freeze` printed.
    """
    names = {requirement_name(line) for line in frozen.splitlines()}
    if names & {"psycopg-binary"}:
        names.discard("psycopg")  # its wheel has libpq in it
    wanted = (table().get(name, {}).get("run", []) for name in sorted(names))
    return list(dict.fromkeys(package for packages in wanted for package in packages))


def with_packages(machine: Machine, run: Callable[[], str]) -> str:
    """Run a command, and again with what it lacked of Debian, as long as it lacks something new.

    Raises ReleaseError as `run` does, once nothing more is known that could help.
    """
    tried: set[str] = set()
    while True:
        try:
            return run()
        except OutOfMemory:
            raise
        except ReleaseError as error:
            wanted = [one for one in missing(error.detail) if one not in tried]
            if not wanted:
                raise
            tried.update(wanted)
            why = ", ".join(failed_builds(error.detail))
            if not install(machine, wanted, f"no wheel of {why} fits here" if why else ""):
                raise


def install(machine: Machine, wanted: Iterable[str], why: str = "") -> list[str]:
    """Install Debian packages that are not there; returns those that were installed now.

    `wanted` may hold choices, "libmagic1t64 | libmagic1": the first that this Debian has.
    Raises ReleaseError with what apt said.
    """
    lacking = [one for one in wanted if not _is_there(one.split(" | "))]
    if not lacking or not machine.drops_privileges:
        return []
    _apt("update")
    chosen = [_choose(one.split(" | ")) for one in lacking]
    # What is here stays: somebody has put it here.
    _apt("install", "--yes", "--no-remove", "--no-install-recommends", *chosen)
    machine.debian_packages += chosen
    machine.progress.note(f"installed {', '.join(chosen)}{f': {why}' if why else ''}")
    return chosen


def _is_there(choices: Collection[str]) -> bool:
    found = system.run("dpkg-query", "--show", "--showformat", "${db:Status-Status}\n", *choices)
    return "installed" in found.stdout.split()


def _choose(choices: Collection[str]) -> str:
    """The first name that apt knows, or the first one, for apt to say that it knows none."""
    for name in choices:
        if re.search(r"Candidate: (?!\(none\))", system.run("apt-cache", "policy", name).stdout):
            return name
    return next(iter(choices))


def _apt(*argv: str) -> None:
    # It waits for unattended-upgrades, and never asks. Services that use a library which an
    # installation replaces are not restarted by needrestart, where that is there.
    options = ("-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3", "-q")
    variables = ("DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")
    done = system.run("env", *variables, "apt-get", *options, *argv)
    if done.returncode:
        output = done.stdout + done.stderr
        errors = re.findall(r"^E: (.+)", output, re.MULTILINE)
        what = errors[0] if errors else f"apt-get {argv[0]} failed"
        raise ReleaseError("install", f"Debian packages could not be installed: {what}", output)
