"""Running programs on this machine: as root, by podman, and told step by step."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from espalier.inventory.site import SiteError

# Where podman is started. When a container runs out of memory, conmon, which watches it, leaves a
# file `oom` there: not in the project of whoever started the lab, whose release it would change.
DIRECTORY = "/run"


class LabError(SiteError):
    """A sentence for the person at the terminal."""


def run(command: Sequence[str], *, check: bool = True, **options: Any) -> str:
    """Run a command and give its standard output; LabError with its error output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if check and done.returncode:
        raise LabError(
            f"`{' '.join(command[:4])} …` failed:\n{(done.stderr or done.stdout).strip()}"
        )
    return done.stdout.strip()


def as_root(command: Sequence[str]) -> list[str]:
    """Put sudo before a command where this process is not root."""
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def podman(*arguments: str, check: bool = True) -> str:
    """Run podman as root, with the container runtime that this machine's cgroups need."""
    return run(as_root(["podman", *runtime_option(), *arguments]), check=check, cwd=DIRECTORY)


def runtime_option() -> list[str]:
    """Choose runc where cgroups are not purely version 2: crun refuses the hybrid layout."""
    pure_v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return [] if pure_v2 or not shutil.which("runc") else ["--runtime", "runc"]


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and afterwards how long it took."""
    print(f"lab: {what} … ", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - began:.0f} s")


def tool_path() -> str:
    """Give a PATH that has the system directories, which a plain user's PATH lacks."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
