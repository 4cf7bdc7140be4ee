"""espalier remove: take the kit off the machines of a site, and say what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from espalier import paths
from espalier.cli.command import Environment, environment_command, is_terminal
from espalier.cli.site import verbose_option
from espalier.inventory.site import SiteError
from espalier.progress.collect import collect
from espalier.progress.playbook import Playbook
from espalier.progress.report import REFUSED
from espalier.progress.watch import watch
from espalier_machine.common.text import format_table

PLAYBOOK = paths.PLAYBOOKS / "remove.yml"
SURVEY = "Find what is there"  # its task whose results are read
README = "/var/lib/espalier-kept/README"
Found = Mapping[str, Mapping[str, Any]]  # by machine, what the module `leaving` returned


@environment_command()
@click.option("--yes", default="", metavar="SITE", help="The site's name: do it without asking.")
@verbose_option
def command(environment: Environment, yes: str, verbose: int) -> int:
    """Take the kit off the machines; all data is kept.

    Services stop, units and files of the kit go. It says first what will be stopped, removed
    and kept. A dump of each database is made before PostgreSQL stops; dumps, the data itself,
    uploads and releases are kept, and named at the end. A removal that was cut off is finished
    by the same command.
    """
    name = environment.read().name
    if yes not in ("", name):
        raise SiteError(f"--yes says {yes}, and the site is {name}. Nothing was changed.", REFUSED)
    variables = ["--extra-vars", json.dumps({"remove_site": name})]
    again = f"remove --yes {name}"
    with environment.playbook("remove", variables, path=PLAYBOOK, again=again) as playbook:
        click.echo("\n".join(announcement(name, _survey(playbook))))
        if not yes:
            confirm(name)
        if status := watch(playbook, verbosity=verbose):
            return status
        click.echo("\n".join(farewell(environment, name, _survey(playbook))))
    return 0


def announcement(name: str, found: Found) -> Iterator[str]:
    """What will happen to each machine, as lines for a person.

    Args:
        name: of the site.
        found: by machine, what the module `leaving` returned.
    """
    yield f"The kit would leave {', '.join(found)}, with the site {name}:"
    yield "  stopped   the site, its workers and scheduled commands, every service of the kit"
    yield "  removed   units, configuration, programs of the kit; Debian's packages stay, stopped"
    yield "  kept      a dump of each database, and what is there already:"
    rows = []
    for machine, there in found.items():
        if there["is_stopped"]:
            rows.append([machine, "PostgreSQL", "stands still: it is started, and dumped and kept"])
        for one in there["databases"]:
            what = "its data kept, no dump: it is closed" if one["closed"] else "dumped and kept"
            rows.append([machine, one["name"], f"database, {one['bytes'] / 1e6:.1f} MB: {what}"])
    yield from _indented(rows + _rows(found))


def farewell(environment: Environment, name: str, found: Found) -> Iterator[str]:
    """What was kept on each machine, and what to do with it, as lines for a person."""
    yield f"The kit has left {', '.join(found)}. Kept, as {README} there says too:"
    yield from _indented(_rows(found))
    site, load = environment.again("site"), environment.again("import --dump FILE")
    yield f"To have {name} back: `{site}`, then `{load}` with a dump from there."


def _rows(found: Found) -> list[list[str]]:
    return [
        [machine, one["path"], f"{one['what']}: {one['size']}"]
        for machine, there in found.items()
        for one in there["kept"]
    ]


def _indented(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield from (f"    {line}" for line in format_table(rows).splitlines())


def confirm(name: str) -> None:
    """Have the site's name typed.

    Raises:
        SiteError: it is another name, or nobody is there to type it.
    """
    if not is_terminal():
        raise SiteError(
            f"There is no terminal to ask at: add --yes {name}. Nothing was changed.", REFUSED
        )
    typed = click.prompt(f"Type {name} to go on", default="", show_default=False, err=True)
    if typed != name:
        raise SiteError("That is not the site's name. Nothing was changed.", REFUSED)


def _survey(playbook: Playbook) -> Found:
    """Look at every machine, which changes nothing.

    Raises:
        SiteError: a machine does not answer, or carries another site.
    """
    results = collect(replace(playbook, arguments=[*playbook.arguments, "--tags", "survey"]))
    if sentences := results.failures:
        raise SiteError("\n".join(sentences) + " Nothing was changed.", REFUSED)
    return {one.machine: one.values for one in results.all if one.task == SURVEY}
