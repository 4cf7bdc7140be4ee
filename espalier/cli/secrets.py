"""espalier secrets: list what the site's secrets are, show, share and rotate them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess

import click

from espalier import paths
from espalier.cli.command import Environment, environment_command, is_terminal
from espalier.cli.options import json_option
from espalier.cli.site import verbose_option
from espalier.environment import ansible_program
from espalier.inventory.secret_files import DIRECTORY
from espalier.inventory.site import SiteError
from espalier.progress.watch import watch
from espalier.readiness.secrets import in_git
from espalier.secrets.catalog import ROTATED as ROTATABLE
from espalier.secrets.catalog import key_in_use
from espalier.secrets.rotate import Rotation
from espalier.secrets.store import VAULT, Store, aside, read_store
from espalier.secrets.table import rows
from espalier.secrets.vault import FILE
from espalier_machine.common.text import format_table

HEADER = ["SECRET", "KEPT IN", "MADE", "FOR"]
ROTATED = {
    "secret_key": "rotated; what was signed with the old one stays valid until the next rotation, "
    "or `{drop}`",
    "replication_password": "rotated; replicas that follow keep their connections",
}
DROPPED = "The secret key of before is accepted no longer: who signed in before it, signs in again."


@click.group()
def command() -> None:
    """List the site's secrets; show, share and rotate them."""


def _open(environment: Environment) -> Store:
    return read_store(
        environment.inventory, environment.passwords, environment.options["extra_vars"]
    )


@environment_command(name="list")
@json_option
def list_secrets(environment: Environment, as_json: bool) -> int:
    """Say where each secret is kept and what it is for.

    And when it was made; but never its value.
    """
    found = rows(_open(environment))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in found]))
    else:
        lines = [[row.name, row.place, row.made, row.purpose] for row in found]
        click.echo(format_table([HEADER, *lines]))
    return 0


@environment_command()
@click.argument("name")
def show(environment: Environment, name: str) -> int:
    """Print a secret.

    NAME is one of the kit's, or a variable vault_… of your own.
    """
    values = _open(environment).values_in_use
    if name not in values:
        known = ", ".join(values) or "none"
        raise SiteError(f"{name} is no secret here, or not made yet; there are: {known}.", 2)
    click.echo(values[name])
    return 0


@environment_command()
def encrypt(environment: Environment) -> int:
    """Move secrets from files into ansible-vault.

    From those beside the inventory into its group_vars/all/vault.yml. Who has the vault's
    password can then deploy from git, such as a colleague or CI. Values stay the same.
    """
    store = _open(environment)
    if not store.vault.password_known:
        if not is_terminal():
            raise SiteError(
                "The new vault needs a password: add --vault-password-file FILE, or set "
                "ESPALIER_VAULT_PASSWORD in the environment. Nothing was changed.",
                2,
            )
        typed = click.prompt(
            "New vault password", hide_input=True, confirmation_prompt=True, err=True
        )
        passwords = dataclasses.replace(environment.passwords, vault={"default": typed})
        store = dataclasses.replace(store, passwords=passwords)
    moved = store.encrypt()
    click.echo(f"{FILE} has every secret, encrypted: commit it.")
    if moved:
        click.echo(
            f"The files with the same values were set aside in {aside(environment.inventory)}. "
            "Delete them once a colleague or CI has deployed."
        )
    for one in in_git(environment.inventory, store.passwords):
        click.echo(f"{one.text[0].upper()}{one.text[1:]}.", err=True)
    click.echo(
        "From now on commands need the vault's password: --vault-password-file FILE, -J, or "
        "ESPALIER_VAULT_PASSWORD in the environment."
    )
    return 0


@environment_command()
def edit(environment: Environment) -> int:
    """Open the vault in $EDITOR."""
    path = environment.inventory / FILE
    if not path.exists():
        raise SiteError(
            f"{path} is not there: `{environment.again('secrets encrypt')}` makes it.", 2
        )
    with environment.silent() as (silent, variables):
        words = [ansible_program("ansible-vault"), "edit", *silent.vault_arguments(), str(path)]
        known = {"ANSIBLE_CONFIG": str(paths.ANSIBLE_CONFIG), **os.environ, **variables}
        return subprocess.run(words, env=known).returncode


@environment_command()
@click.argument("name", type=click.Choice([*ROTATABLE, "all"]))
@click.option("--drop-old", is_flag=True, help="Accept the secret_key of before no longer.")
@click.option("--yes", is_flag=True, help="Go on where something is interrupted.")
@verbose_option
def rotate(environment: Environment, name: str, drop_old: bool, yes: bool, verbose: int) -> int:
    """Give the site new secrets.

    Each gets a new value, and every machine takes it by a run of site.yml. No request fails, but
    for what the command names and asks about. One that was cut off is finished by the same
    command.
    """
    if drop_old and name != "secret_key":
        raise SiteError("--drop-old is for secret_key only.", 2)
    flags = [flag for flag, given in (("--drop-old", drop_old), ("--yes", yes)) if given]
    again = " ".join(["secrets rotate", name, *flags])

    def run_site() -> int:
        with environment.playbook("rotate", again=again) as playbook:
            return watch(playbook, verbosity=verbose)

    rotation = Rotation(
        environment.read(),
        open_store=lambda: _open(environment),
        run_site=run_site,
        tell=lambda words: click.echo(words, err=True),
    )
    names = rotation.choose(name)
    if drop_old:
        dropped = rotation.drop_old()
        click.echo(DROPPED if dropped else "No secret key of before is accepted: nothing to drop.")
        return 0
    interruptions = rotation.interruptions(names)
    for words in interruptions:
        click.echo(f"This interrupts something: {words}.", err=True)
    if interruptions and not yes:
        if not is_terminal():
            raise SiteError("There is no terminal to ask at: add --yes. Nothing was changed.", 2)
        if not click.confirm("Go on", err=True):
            raise SiteError("Nothing was changed.")
    rotation.rotate(names)
    drop = environment.again("secrets rotate secret_key --drop-old")
    for one in names:
        done = ROTATED.get(one, "rotated; the old one is accepted no longer")
        click.echo(f"{one}: {done.format(drop=drop)}.")
    store = _open(environment)
    if VAULT in {store.place(key_in_use(one, store.values)) for one in names}:
        click.echo(f"{FILE} has the new values: commit it.")
    else:
        click.echo(f"{DIRECTORY}/ has the new values: whoever has a copy needs them too.")
    return 0


for _one in (list_secrets, show, rotate, encrypt, edit):
    command.add_command(_one)
