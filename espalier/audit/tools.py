"""Run an auditor of the Python index on the control machine, in an environment of its own.

uv, which the kit brings, fetches it when it is asked for first, with the versions of tools.txt:
sslyze wants an older `cryptography` than the kit does, and who makes no audit needs none of them.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from espalier_machine.common.text import last_line

VERSIONS = Path(__file__).with_name("tools.txt")
# The package of each, where it has another name.
PACKAGES = {"gixy": "gixy-ng"}
TIMEOUT = 300  # seconds; the first call downloads
ENVIRONMENT: Mapping[str, str] = {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_SYSTEM_CERTS": "1",
    "UV_NATIVE_TLS": "1",  # the older name of the line above
    "NO_COLOR": "1",
}
UNREACHABLE = r"Failed to fetch|dns error|error sending request|timed out|No solution found"


class ToolError(Exception):
    """A tool could not be had, or did not answer; a sentence with what to type."""


def command(tool: str) -> list[str]:
    """The command that fetches a tool if it is not here, and runs it."""
    uv = [sys.executable, "-P", "-m", "uv", "tool", "run", "--quiet", "--isolated"]
    uv += ["--python", sys.executable, "--constraints", str(VERSIONS)]
    return [*uv, "--from", PACKAGES.get(tool, tool), tool]


def run(tool: str, *arguments: str) -> str:
    """Run a tool; gives what it wrote to its output, whatever its exit status.

    Raises:
        ToolError: it wrote nothing: it is not here and cannot be fetched, or it broke.
    """
    argv = [*command(tool), *arguments]
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{tool} did not end within {TIMEOUT} s") from None
    if done.stdout.strip():
        return done.stdout
    errors = done.stderr.strip()
    if re.search(UNREACHABLE, errors):
        fetch = shlex.join([*command(tool), "--help"])
        raise ToolError(
            f"{tool} is not here yet, and the Python index cannot be reached "
            f"({last_line(errors)}): `{fetch}` fetches it"
        )
    raise ToolError(f"{tool} failed: {last_line(errors)}")
