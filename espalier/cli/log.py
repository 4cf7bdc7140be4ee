"""espalier log: what went live, when, where, and who did it."""

from __future__ import annotations

import json

import click

from espalier.cli.command import site_command
from espalier.cli.machines import ask_all
from espalier.cli.options import json_option
from espalier.inventory.site import Site
from espalier_machine.common.text import format_table


@site_command()
@json_option
def command(site: Site, as_json: bool) -> int:
    """Say what went live, when, where, and who did it."""
    answers = ask_all(site, "log")
    if as_json:
        click.echo(json.dumps(answers))
    else:
        lines = [
            [row["since"][:19], machine, row["id"], row["by"]]
            for machine, answer in answers.items()
            for row in answer.get("log", [])
        ]
        click.echo(format_table([["SINCE", "MACHINE", "RELEASE", "BY"], *sorted(lines)]))
    failed = {machine: answer["error"] for machine, answer in answers.items() if not answer["ok"]}
    for machine, error in failed.items():
        click.echo(f"{machine}: {error}", err=True)
    return 1 if failed else 0
