"""Asks the program `database-backup` of a machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from espalier.inventory.remote import Remote, explain, root_command
from espalier.inventory.site import SiteError

PROGRAM = "database-backup"
NOT_THERE = 127  # the shell's status for a command that is not there


class NotThere(SiteError):
    """The machine has no backups to speak of: the program is not there."""


def ask(remote: Remote, machine: str, action: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Run an action of the program on a machine; gives its answer.

    Raises:
        NotThere: the machine is new, or no run had `backup` in hosts.yml.
        SiteError: it failed, with the program's own sentence.
    """
    words = [PROGRAM, action, "--json"]
    line, before = root_command(remote.site.variables[machine], words)
    done = subprocess.run(
        [*remote.command(machine), line],
        input=f"{before}{json.dumps(said)}\n",
        env=remote.environment,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == NOT_THERE:
        raise NotThere(f"{machine} has no program {PROGRAM} yet: `espalier site` brings it.")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise SiteError(f"{machine}: {explain(done.stderr)}", 1, done.stderr) from None
    if not answer["ok"]:
        raise SiteError(answer["error"], 1, answer.get("detail", ""))
    return answer
