"""Commands of the operating system, run as root."""

from __future__ import annotations

import subprocess


def run(*argv: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its output; the caller checks the return code.

    Raises subprocess.TimeoutExpired after `timeout` seconds.
    """
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout)


def is_active(unit: str) -> bool:
    """Whether systemd runs the unit."""
    return run("systemctl", "is-active", "--quiet", unit).returncode == 0
