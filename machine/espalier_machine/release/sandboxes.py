"""Services that run with the rights that they were started with, until their next start.

A run restarts neither nginx nor PostgreSQL for a sandbox. Both got one with the kit's version 0.13.
Files are looked at, as systemd takes its time to answer, and every run asks for a machine's status.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

# By unit: its process id, and the settings with its sandbox.
NGINX = ("run/nginx.pid", "etc/systemd/system/nginx.service.d/espalier.conf")
POSTGRESQL = ("run/postgresql/{}-main.pid", "etc/systemd/system/{}.d/sandbox.conf")


def waiting_for_sandbox(root: Path = Path("/")) -> list[str]:
    """The units here that have a sandbox by their settings, and run without it."""
    found = {"nginx.service": NGINX}
    for path in root.glob(POSTGRESQL[0].format("*")):
        version = path.name.removesuffix("-main.pid")
        unit = f"postgresql@{version}-main.service"
        found[unit] = (POSTGRESQL[0].format(version), POSTGRESQL[1].format(unit))
    return sorted(unit for unit, (pid, file) in found.items() if _waits(root, pid, file))


def _waits(root: Path, pid: str, file: str) -> bool:
    """Whether settings forbid new privileges, and the process may have some."""
    with suppress(OSError, IndexError):
        process = (root / pid).read_text().split()[0]
        status = (root / "proc" / process / "status").read_text()
        given = "NoNewPrivileges=yes" in (root / file).read_text()
        return given and bool(re.search(r"^NoNewPrivs:\s+0$", status, re.M))
    return False
