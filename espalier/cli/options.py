"""What all commands share: the inventory, its passwords, and how a failure is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import click

from espalier.inventory.read import Passwords, read
from espalier.inventory.site import Site, SiteError
from espalier.project.name import project_name

# Spelled as ansible-playbook spells them, which takes the same environment variables.
OPTIONS = (
    click.option(
        "-i",
        "--inventory",
        type=click.Path(path_type=Path),
        required=True,
        help="The site: a directory with hosts.yml and topology.yml.",
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
        help="A file with that password. [env: ANSIBLE_VAULT_PASSWORD_FILE]",
    ),
    click.option(
        "--vault-id",
        multiple=True,
        metavar="LABEL@FILE",
        help="A file with the password of a vault id, or LABEL@prompt.",
    ),
    click.option(
        "-e",
        "--extra-vars",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable that goes before those of the inventory; JSON and @FILE too.",
    ),
)
SHARED = (
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
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


# For commands that hand arguments on: from the first argument on, nothing is an option of ours.
PASS_ON = {"allow_interspersed_args": False}


class SiteCommand(click.Command):
    """A command for one site: its function takes the `Site` first, and gives the exit status.

    What `prepare` gives, it takes second: something that takes a while, and is begun before the
    inventory is read.
    """

    def __init__(
        self,
        *args: Any,
        prepare: Callable[[], AbstractContextManager[Any]] | None = None,
        **settings: Any,
    ) -> None:
        """Take what click takes, and what is to be begun first."""
        super().__init__(*args, **settings)
        self.prepare = prepare

    def invoke(self, ctx: click.Context) -> Any:
        """Read the site, run the function; a SiteError ends it with its sentence and status."""
        own = {name: value for name, value in ctx.params.items() if name not in SHARED}
        try:
            assert self.callback
            with ExitStack() as stack:
                prepared = [stack.enter_context(self.prepare())] if self.prepare else []
                site = read_site(ctx.params)
                status = ctx.invoke(self.callback, site, *prepared, **own)
        except SiteError as error:
            detail = error.detail.rstrip()
            if ctx.params.get("as_json"):
                told = {"sentence": str(error), "detail": detail}
                click.echo(json.dumps({"ok": False, "error": told}))
            else:
                click.echo("\n".join(filter(None, [f"{ctx.info_name}: {error}", detail])), err=True)
            status = error.status
        ctx.exit(status)


def site_command(**settings: Any) -> Callable[[Callable[..., int]], click.Command]:
    """Decorate the function of a command, above its own click options.

    `settings` are those of `click.command`.
    """

    def decorate(function: Callable[..., int]) -> click.Command:
        command = click.command(cls=SiteCommand, **settings)(function)
        for option in OPTIONS:
            command = option(command)
        return command

    return decorate


def read_site(options: Mapping[str, Any]) -> Site:
    """Read the site that the shared options name; asks for the passwords that are to be typed."""
    return read(
        options["inventory"].resolve(),
        name_of=project_name,
        passwords=ask_passwords(options),
        extra_vars=options["extra_vars"],
    )


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
