"""espalier site: bring the machines to what the inventory says."""

from __future__ import annotations

import json

import click

from espalier.cli.command import Environment, environment_command
from espalier.cli.options import json_option
from espalier.progress.watch import watch

limit_option = click.option(
    "-l", "--limit", default="", metavar="MACHINES", help="Only these machines."
)
tags_option = click.option(
    "-t", "--tags", default="", metavar="STAGES", help="Only these stages, as: nginx,django."
)
replace_option = click.option(
    "--replace-site", default="", metavar="NAME", help="Take the place of this site on a machine."
)
diff_option = click.option("-D", "--diff", is_flag=True, help="Show what changes inside of files.")
verbose_option = click.option(
    "-v", "--verbose", count=True, help="Show Ansible's own output; -vvv for more of it."
)


@environment_command()
@limit_option
@tags_option
@replace_option
@diff_option
@json_option
@verbose_option
def command(
    environment: Environment,
    limit: str,
    tags: str,
    replace_site: str,
    diff: bool,
    as_json: bool,
    verbose: int,
) -> int:
    """Bring the machines to what the inventory says.

    And release the project, where that is needed.
    """
    arguments = [*selection(limit, tags, diff), *replacing(replace_site)]
    with environment.playbook("site", arguments) as playbook:
        return watch(playbook, as_json=as_json, verbosity=verbose)


def replacing(site: str) -> list[str]:
    """Say that another site's place is meant to be taken; "*" for any."""
    return ["--extra-vars", json.dumps({"replace_site": site})] if site else []


def selection(limit: str, tags: str, diff: bool) -> list[str]:
    """What ansible-playbook is to do, as its arguments."""
    arguments = ["--limit", limit] if limit else []
    arguments += ["--tags", tags] if tags else []
    return arguments + (["--diff"] if diff else [])
