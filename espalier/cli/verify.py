"""espalier verify: tests of how the site behaves, against what its topology promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click

from espalier import paths
from espalier.audit.rows import as_json_object, table
from espalier.audit.run import audit
from espalier.cli.command import VAULT, Environment, environment_command
from espalier.cli.options import json_option
from espalier.inventory.site import Site, SiteError

# testinfra takes no password of sudo or SSH, and reads the inventory as it stands.
OPTIONS = ("environment", "inventory", *VAULT)


@environment_command(OPTIONS, context_settings={"ignore_unknown_options": True})
@click.option(
    "--security",
    is_flag=True,
    help="Have known auditors look at the machines instead: ssh-audit, sslyze, a scan of all "
    "ports, systemd-analyze, gixy and lynis.",
)
@json_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS OF pytest]")
def command(environment: Environment, security: bool, as_json: bool, words: tuple[str, ...]) -> int:
    """Test how the site behaves, or with --security how well it is protected.

    Its pages, its services, who may connect to what. Breaks nothing: tests that stop something
    on purpose are for labs, and run by `pytest`. A user other than root needs sudo without a
    password.
    """
    if security:
        return _audit(environment.read(settings=True), as_json)
    if as_json:
        raise SiteError("--json is for --security: pytest has --junit-xml.", 2)
    # Nothing of a project's own settings for pytest, and no files in it.
    pytest = [sys.executable, "-P", "-m", "pytest", "-c", os.devnull, "--rootdir", str(paths.KIT)]
    pytest += ["--import-mode=importlib", "-p", "no:cacheprovider", "--break-nothing", "--quiet"]
    pytest += ["--ansible-inventory", str(environment.inventory), str(paths.SITE_TESTS), *words]
    changes = {"ANSIBLE_CONFIG": str(paths.ANSIBLE_CONFIG)}
    # testinfra asks the `ansible-inventory` that it finds, which is to be the kit's.
    programs = str(Path(sys.executable).parent)
    changes["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    users = {of.get("ansible_user", "root") for of in environment.read().variables.values()}
    if users - {"root"}:  # who look at machines as root too, by sudo
        changes["ANSIBLE_BECOME"] = "true"
    # It passes no options on to Ansible, which takes the same from its environment.
    with environment.silent() as (silent, typed):
        vaults = [*silent.options["vault_password_file"], *silent.options["vault_id"]]
        if vaults:
            changes["ANSIBLE_VAULT_IDENTITY_LIST"] = ",".join(map(_absolute, vaults))
        changes |= typed
        return subprocess.run(pytest, cwd=paths.KIT, env=os.environ | changes).returncode


def _audit(site: Site, as_json: bool) -> int:
    """Print what the auditors found; 1 where something is wrong that nobody has waived."""
    if not as_json:
        click.echo("This takes one to three minutes; nothing is changed.", err=True)
    rows = audit(site)
    if as_json:
        click.echo(json.dumps(as_json_object(rows)))
    else:
        click.echo(table(rows))
    return 1 if any(row.is_failed for row in rows) else 0


def _absolute(vault: str) -> str:
    """`LABEL@FILE`, or a file alone, for a process in another directory."""
    label, separator, file = vault.rpartition("@")
    return f"{label}{separator}{Path(file).expanduser().absolute()}"
