"""Run site.yml with passwords that were typed once, which stand in no argument and no file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espalier import paths
from espalier.inventory.read import Passwords

# They would ask again for what is handed over.
ASKING = ("ANSIBLE_ASK_VAULT_PASS", "ANSIBLE_BECOME_ASK_PASS", "ANSIBLE_ASK_PASS")


def run_site(inventory: Path, passwords: Passwords, extra_vars: tuple[str, ...]) -> int:
    """Converge the machines of an inventory; gives the exit status of ansible-playbook.

    It is 130 where the person ended it.
    """
    extra = [word for one in extra_vars for word in ("--extra-vars", one)]
    with handed_over(passwords) as (options, secrets):
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        environment = {name: value for name, value in os.environ.items() if name not in ASKING}
        environment = {"ANSIBLE_CONFIG": str(paths.ANSIBLE_CONFIG), **environment, **secrets}
        playbook = [str(paths.SITE_PLAYBOOK), "-i", str(inventory)]
        process = subprocess.Popen([program, *playbook, *options, *extra], env=environment)
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The terminal has told it too: it unlocks the site and ends.
            process.wait()
            return 130


@contextmanager
def handed_over(passwords: Passwords) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Passwords as options of Ansible's programs, and the environment that these options read.

    A typed password is printed by a program of one line, from a variable of the environment, which
    only the same user can read.
    """
    options: list[str] = []
    environment: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:

        def program(word: str) -> str:
            variable = f"ESPALIER_TYPED_{len(environment)}"
            environment[variable] = word
            path = Path(folder, variable.lower())
            path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"${variable}\"\n")
            path.chmod(0o700)
            return str(path)

        for label, word in passwords.vault.items():
            options += ["--vault-id", f"{label}@{program(word)}"]
        for one in passwords.vault_ids:
            options += ["--vault-id", one]
        for one in passwords.vault_password_files:
            options += ["--vault-password-file", one]
        for option, word, file in (
            ("--become-password-file", passwords.become, passwords.become_file),
            ("--connection-password-file", passwords.connection, passwords.connection_file),
        ):
            if word or file:
                options += [option, program(word) if word else file]
        yield options, environment
