"""Answer ssh's questions for passwords: ssh calls it, as SSH_ASKPASS, with the question.

The passwords come through the environment, which only the same user can read, and are given for
the machine only that the question names (`root@203.0.113.10's password: `); everything else that
ssh asks goes to the person at the terminal.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "ESPALIER_SSH_PASSWORDS"


def passwords(variables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """By `user@host` (`@host` where Ansible is told no user), the passwords of machines."""
    return {
        f"{of.get('ansible_user', '')}@{of.get('ansible_host', machine)}": of["ansible_password"]
        for machine, of in variables.items()
        if "ansible_password" in of
    }


def answer(question: str, known: Mapping[str, str]) -> str | None:
    """The password that a question asks for; None if it is none of ours."""
    if "password" not in question.lower():
        return None
    for place, password in known.items():
        # "root@host's password: ", or "(root@host) Password: " where PAM asks.
        if f"{place}'s" in question or f"{place})" in question:
            return password
    return None


def environment(folder: Path, known: Mapping[str, str]) -> dict[str, str]:
    """What ssh needs in its environment, to ask the program `askpass` in a directory."""
    if not known:
        return {}
    return {
        "SSH_ASKPASS": str(folder / "askpass"),
        "SSH_ASKPASS_REQUIRE": "force",
        VARIABLE: json.dumps(dict(known)),
    }


def script() -> str:
    """The program that ssh calls, as SSH_ASKPASS takes no arguments."""
    return f'#!/bin/sh\nexec "{sys.executable}" -P -m espalier.inventory.askpass "$1"\n'


def main() -> int:
    """Answer one question; the exit status 1 tells ssh that there is no answer."""
    question = sys.argv[1]
    reply = answer(question, json.loads(os.environ.get(VARIABLE, "{}")))
    if reply is None:
        try:
            with open("/dev/tty", "w") as terminal:
                if "yes/no" in question:
                    terminal.write(question)
                    terminal.flush()
                    with open("/dev/tty") as keyboard:
                        reply = keyboard.readline().rstrip("\n")
                else:
                    reply = getpass.getpass(question, terminal)
        except OSError:
            return 1
    print(reply)
    return 0


if __name__ == "__main__":
    sys.exit(main())
