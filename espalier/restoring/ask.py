"""Asks the program `database-backup` of a machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from espalier.arriving.primary import AS_POSTGRES, Primary
from espalier.inventory.remote import Remote, explain, root_command
from espalier.inventory.site import SiteError
from espalier_machine.common.forms import WRAPPERS

PROGRAM = "database-backup"
REFUSES = "invalid choice"  # argparse's words: its version does not know the action
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
    if REFUSES in done.stderr:
        raise _outdated(machine)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise SiteError(f"{machine}: {explain(done.stderr)}", 1, done.stderr) from None
    if not answer["ok"]:
        raise SiteError(answer["error"], 1, answer.get("detail", ""))
    return answer


def ask_long(remote: Remote, machine: str, action: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Run an action that takes long, as PostgreSQL's own user; gives its answer.

    It ends with us: a sign of life follows all the time.

    Raises:
        SiteError: it failed there, with the program's own sentence; nothing was changed.
    """
    words = [*AS_POSTGRES, f"{WRAPPERS}/{PROGRAM}", action, "--json"]
    asked = [f"{json.dumps(said)}\n".encode()]
    status, out, errors = Primary(remote, machine).send(words, asked, beats=True)
    if status == NOT_THERE or REFUSES in errors:
        raise _outdated(machine)
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        raise SiteError(f"{machine}: {explain(errors)}", 1, errors) from None
    if not answer["ok"]:
        sentence = f"{machine}: {answer['error']} Nothing was changed."
        raise SiteError(sentence, 1, answer.get("detail", ""))
    return answer


def _outdated(machine: str) -> SiteError:
    return SiteError(
        f"{machine} has no {PROGRAM}, or one of an earlier version: run `espalier site` there "
        "first. Nothing was changed.",
        2,
    )
