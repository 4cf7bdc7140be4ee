"""Hand passwords that a person typed over to ansible-playbook, which is not to ask again.

Ansible takes a password from a program that prints it. The program is a script that prints a
variable of its environment, so that the password is in no file and no argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from espalier.inventory.read import Passwords

# They would have Ansible ask again.
ASKING = ("ANSIBLE_ASK_VAULT_PASS", "ANSIBLE_BECOME_ASK_PASS", "ANSIBLE_ASK_PASS")
SCRIPT = "#!/bin/sh\nprintf '%s\\n' \"${variable}\"\n"


@contextmanager
def handed_over(
    options: Mapping[str, Any], passwords: Passwords
) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Options that ask for nothing in the place of those that ask, and variables to set.

    Args:
        options: the shared options, as click gives them.
        passwords: what was typed for them.
    """
    changed = dict(options) | {f"ask_{one}": False for one in ("become_pass", "pass", "vault_pass")}
    variables = dict.fromkeys(ASKING, "False")
    with TemporaryDirectory(prefix="espalier-") as folder:

        def program(password: str) -> str:
            variable = f"ESPALIER_PASSWORD_{len(variables)}"
            variables[variable] = password
            path = Path(folder, variable.lower())
            path.touch(mode=0o700)
            path.write_text(SCRIPT.replace("variable", variable))
            return str(path)

        if passwords.become:
            changed["become_password_file"] = program(passwords.become)
        if passwords.connection:
            changed["connection_password_file"] = program(passwords.connection)
        typed = [f"{label}@{program(word)}" for label, word in passwords.vault.items()]
        changed["vault_id"] = (*passwords.vault_ids, *typed)
        yield changed, variables
