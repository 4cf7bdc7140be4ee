"""The command lines that a release types on a machine: the one place that knows their form."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from espalier.inventory.site import SiteError
from espalier.rollout.order import Task
from espalier.wiring.directories import project_directories

STEPS = {
    "status": ("status",),
    "migrate": ("migrate", "{release}"),
    "check": ("check", "{release}"),
    "compare": ("plan", "{release}"),
    "prehook": ("hook", "{release}"),
    "hook": ("hook", "{release}"),
    "switch": ("switch", "{release}"),
    "rollback": ("switch", "{release}"),
    "remove": ("remove", "{release}"),
    "clean": ("clean",),
}
# Going back: the machine records that nobody wants to go to what it leaves. Whether the database
# allows it was asked before (`check`), and a way back must not be refused.
LEAVE = ("rollback", "{release}", "--accept", "all")

# Which variable says who pushed: docs.github.com "Variables reference", docs.gitlab.com "Predefined
# CI/CD variables".
CI_USERS = {"GITHUB_ACTOR": "GitHub", "GITLAB_USER_LOGIN": "GitLab"}


def current_user() -> str:
    """Who is at this terminal, or who pushed to a CI system; for the log of a machine."""
    for name, system in CI_USERS.items():
        if user := os.environ.get(name):
            return f"{user}@{system}"
    return f"{getpass.getuser()}@{socket.gethostname()}"


def archive_path(project: str, name: str) -> str:
    """Where an archive lies on a machine."""
    return f"{project_directories(project)['archives']}/{name}"


def release_command(
    project: str,
    arguments: Sequence[str],
    *,
    by: str = "",
    token: str = "",
    accept: Sequence[str] = (),
) -> list[str]:
    """The release command of a machine, with its arguments.

    Args:
        project: its name.
        arguments: a sub-command and what belongs to it.
        by: who asks for it, for the machine's log.
        token: of the site's lock, which this command belongs to.
        accept: migrations that are unsafe and wanted all the same.
    """
    command = ["release", "--json", "--project", project]
    command += ["--by", by] if by else []
    command += ["--token", token] if token else []
    for migration in accept:
        command += ["--accept", migration]
    return [*command, *arguments]


def step_arguments(task: Task) -> list[str]:
    """The sub-command of a task, for all steps that are one."""
    words = LEAVE if task.leaves else STEPS[task.step]
    return [word.format(release=task.release) for word in words]


def read_answer(
    machine: str, output: Sequence[str], errors: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Read what the release command printed: one JSON object, on its last line.

    Args:
        machine: its name, for the sentence.
        output: the lines of its standard output.
        errors: those of its standard error, which has a traceback or sudo's reason.

    Raises:
        SiteError: with its sentence if it failed, or when that is no answer of the command.
    """
    try:
        answer = json.loads(output[-1] if output else "")
    except ValueError:
        raise SiteError(
            f"the release command does not answer as it should; run site.yml on {machine}.",
            1,
            "\n".join([*output, *errors][-20:]),
        ) from None
    if not answer.pop("ok", True):
        status = 3 if answer["step"] == "lock" else 1
        raise SiteError(f"{answer['step']} failed: {answer['error']}", status, answer["detail"])
    return dict(answer)
