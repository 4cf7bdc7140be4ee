"""Programs that can never ask a question: git and pip."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence

from espalier.project.words import word_set

# The shape of `run`: tests and fetches put their own in its place.
Runner = Callable[..., "subprocess.CompletedProcess[str]"]


def run(
    argv: Sequence[str], *, timeout: float = 60, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that can never ask a question.

    Args:
        argv: the program and its arguments.
        timeout: in seconds.
        environ: variables to add to this process's own.

    Returns:
        The finished process; exit status 124 when it took too long, 127 when it is not installed.
    """
    # GIT_DIR and its like are set when the playbook is started from a git hook.
    inherited = {key: value for key, value in os.environ.items() if key not in _GIT_LOCAL}
    quiet = {
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS_REQUIRE": "never",
        "LC_ALL": "C",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    try:
        return subprocess.run(
            list(argv),
            env=inherited | quiet | dict(environ or {}),
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            start_new_session=True,  # ssh would ask on the terminal, where nobody sees the question
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"timed out after {timeout:.0f} s")
    except FileNotFoundError:
        return subprocess.CompletedProcess(argv, 127, "", f"{argv[0]} is not installed")


_GIT_LOCAL = word_set(
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_OBJECT_DIRECTORY GIT_COMMON_DIR"
)
