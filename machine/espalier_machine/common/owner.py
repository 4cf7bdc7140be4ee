"""Commands that run as PostgreSQL's own user."""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import signal
import subprocess
from typing import Any

OWNER = "postgres"


def as_owner() -> dict[str, Any]:
    """Return the options that make a child run as PostgreSQL's own user."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam(OWNER)
    groups = [group.gr_gid for group in grp.getgrall() if OWNER in group.gr_mem]
    environment = {"PATH": os.environ["PATH"], "HOME": user.pw_dir, "LC_ALL": "C.UTF-8"}
    return {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": groups,
        "env": environment,
        "cwd": "/",
    }


def end_with_parent() -> None:
    """Make the kernel end this child when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as PostgreSQL's own user."""
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=check, **as_owner()
    )
