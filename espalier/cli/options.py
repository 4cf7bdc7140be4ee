"""The options that all commands share, and the passwords that they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from espalier.inventory.environments import LAB, environments
from espalier.inventory.read import Passwords


def _names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """What completes `-e`, for a shell."""
    return [name for name in (*environments(Path.cwd()), LAB) if name.startswith(begun)]


# Spelled as ansible-playbook spells them, which takes the same environment variables.
OPTIONS = (
    click.option(
        "-e",
        "--env",
        "environment",
        default="",
        metavar="NAME",
        shell_complete=_names,
        help="The environment: deploy/NAME in the project, or lab. Needed where there are several.",
    ),
    click.option(
        "-i",
        "--inventory",
        type=click.Path(path_type=Path),
        help="An inventory anywhere else: a directory with hosts.yml and topology.yml.",
    ),
    click.option(
        "-K",
        "--ask-become-pass",
        is_flag=True,
        envvar="ANSIBLE_BECOME_ASK_PASS",
        help="Ask for the password of sudo.",
    ),
    click.option(
        "--become-password-file",
        "--become-pass-file",
        default="",
        metavar="FILE",
        help="A file with that password.",
    ),
    click.option(
        "-k",
        "--ask-pass",
        is_flag=True,
        envvar="ANSIBLE_ASK_PASS",
        help="Ask for the password of SSH.",
    ),
    click.option(
        "--connection-password-file",
        "--conn-pass-file",
        default="",
        metavar="FILE",
        help="A file with that password.",
    ),
    click.option(
        "-J",
        "--ask-vault-pass",
        "--ask-vault-password",
        is_flag=True,
        envvar="ANSIBLE_ASK_VAULT_PASS",
        help="Ask for the password of ansible-vault.",
    ),
    click.option(
        "--vault-password-file",
        "--vault-pass-file",
        multiple=True,
        metavar="FILE",
        help="A file with that password. [env: ANSIBLE_VAULT_PASSWORD_FILE; or "
        "ESPALIER_VAULT_PASSWORD, the password itself]",
    ),
    click.option(
        "--vault-id",
        multiple=True,
        metavar="LABEL@FILE",
        help="A file with the password of a vault id, or LABEL@prompt.",
    ),
    click.option(
        "--extra-vars",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable that goes before those of the inventory; JSON and @FILE too.",
    ),
)
SHARED = (
    "environment",
    "inventory",
    "ask_become_pass",
    "become_password_file",
    "ask_pass",
    "connection_password_file",
    "ask_vault_pass",
    "vault_password_file",
    "vault_id",
    "extra_vars",
)
# For who has no options of a person's: no password is typed, and none is in a file.
NONE_GIVEN: Mapping[str, Any] = dict.fromkeys(SHARED, "") | dict.fromkeys(
    ("vault_password_file", "vault_id", "extra_vars"), ()
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def ask_passwords(options: Mapping[str, Any]) -> Passwords:
    """Ask for passwords in the order and with the words of ansible-playbook."""
    vault = {}
    if options["ask_vault_pass"]:
        vault["default"] = _ask("Vault password")
    stored = []
    for entry in options["vault_id"]:
        label, _, source = entry.rpartition("@")
        if source == "prompt":
            vault[label or "default"] = _ask(f"Vault password ({label or 'default'})")
        else:
            stored.append(entry)
    connection = _ask("SSH password") if options["ask_pass"] else ""
    become = ""
    if options["ask_become_pass"]:
        hint = "[defaults to SSH password]" if options["ask_pass"] else ""
        become = _ask(f"BECOME password{hint}") or connection
    return Passwords(
        vault=vault,
        vault_ids=tuple(stored),
        vault_password_files=options["vault_password_file"],
        become=become,
        become_file=options["become_password_file"],
        connection=connection,
        connection_file=options["connection_password_file"],
    )


def _ask(words: str) -> str:
    answer: str = click.prompt(words, hide_input=True, default="", show_default=False, err=True)
    return answer
