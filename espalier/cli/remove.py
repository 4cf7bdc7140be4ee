"""espalier remove: take the kit off the machines of a site, and say what is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from espalier import paths
from espalier.cli.command import Environment, environment_command
from espalier.cli.options import ask_passwords
from espalier.environment import plain_environment
from espalier.inventory.hand_over import handed_over
from espalier.inventory.read import read
from espalier.inventory.site import SiteError
from espalier.project.name import project_name
from espalier_machine.common.text import format_table

PLAYBOOK = paths.PLAYBOOKS / "remove.yml"
README = "/var/lib/espalier-kept/README"
Found = Mapping[str, Mapping[str, Any]]  # by machine, what the module `leaving` returned


@environment_command()
@click.option("--yes", default="", metavar="SITE", help="The site's name: do it without asking.")
def command(environment: Environment, yes: str) -> int:
    """Take the kit off every machine of a site: services stop, units and files go, data stays.

    It says first what will be stopped, removed and kept. A dump of each database is made before
    PostgreSQL stops; dumps, the data itself, uploads and releases are kept, and named at the end.
    A removal that was cut off is finished by the same command.
    """
    passwords = ask_passwords(environment.options)
    extra_vars = environment.options["extra_vars"]
    site = read(
        environment.inventory, name_of=project_name, passwords=passwords, extra_vars=extra_vars
    )
    name = site.name
    with handed_over(environment.options, passwords) as (options, secrets):
        arguments = [str(PLAYBOOK), *replace(environment, options=options).ansible_arguments()]
        arguments += ["--extra-vars", json.dumps({"remove_site": name})]
        click.echo("\n".join(announcement(name, _survey(arguments, secrets))))
        _confirm(name, yes)
        if _ansible(arguments, secrets).returncode:
            raise SiteError(
                "the removal did not end; what Ansible wrote above says where. Whatever is kept "
                "is kept: run the same command again to finish it."
            )
        click.echo("\n".join(farewell(name, _survey(arguments, secrets))))
    return 0


def announcement(name: str, found: Found) -> Iterator[str]:
    """What will happen to each machine, as lines for a person.

    Args:
        name: of the site.
        found: by machine, `databases` and `kept` of the module `leaving`.
    """
    yield f"The kit would leave {', '.join(found)}, with the site {name}:"
    yield "  stopped   the site, its workers and scheduled commands, every service of the kit"
    yield "  removed   units, configuration, programs of the kit; Debian's packages stay, stopped"
    yield "  kept      a dump of each database, and what is there already:"
    rows = [
        [machine, database["name"], f"database, {database['bytes'] / 1e6:.1f} MB: dumped and kept"]
        for machine, there in found.items()
        for database in there["databases"]
    ]
    yield from _indented(rows + _rows(found))


def farewell(name: str, found: Found) -> Iterator[str]:
    """What was kept on each machine, and what to do with it, as lines for a person."""
    yield f"The kit has left {', '.join(found)}. Kept, as {README} there says too:"
    yield from _indented(_rows(found))
    yield f"To have {name} back: `espalier site`, then `espalier import --dump FILE`, with a dump"
    yield "from there."


def _rows(found: Found) -> list[list[str]]:
    return [
        [machine, one["path"], f"{one['what']}: {one['size']}"]
        for machine, there in found.items()
        for one in there["kept"]
    ]


def _indented(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield from (f"    {line}" for line in format_table(rows).splitlines())


def _confirm(name: str, yes: str) -> None:
    """Have the site's name typed, or given.

    Raises:
        SiteError: it is another name, or nobody is there to type it.
    """
    if yes:
        if yes != name:
            raise SiteError(f"--yes says {yes}, and the site is {name}. Nothing was changed.", 2)
        return
    if not sys.stdin.isatty():
        raise SiteError(f"Nobody is there to confirm it: add --yes {name}.", 2)
    typed = click.prompt(f"Type {name} to go on", default="", show_default=False, err=True)
    if typed != name:
        raise SiteError("That is not the site's name. Nothing was changed.", 1)


def _ansible(
    arguments: Sequence[str], secrets: Mapping[str, str], **settings: Any
) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    environment = {**plain_environment(), **secrets, **settings.pop("env", {})}
    return subprocess.run([program, *arguments], text=True, env=environment, **settings)


def _survey(arguments: Sequence[str], secrets: Mapping[str, str]) -> Found:
    """Look at every machine, which changes nothing.

    Raises:
        SiteError: a machine does not answer, or carries another site.
    """
    done = _ansible(
        [*arguments, "--tags", "survey"],
        secrets,
        stdout=subprocess.PIPE,
        env={"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
    )
    try:
        plays = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"]
    except ValueError:
        raise SiteError("the machines cannot be looked at.", 1, done.stdout) from None
    results = [task["hosts"] for play in plays for task in play["tasks"]]
    errors = [
        f"{machine}: {result['msg']}"
        for hosts in results
        for machine, result in hosts.items()
        if result.get("failed") or result.get("unreachable")
    ]
    if errors or done.returncode:
        raise SiteError("\n".join(errors) or "the machines cannot be looked at.")
    return {
        machine: result
        for hosts in results
        for machine, result in hosts.items()
        if "databases" in result
    }
