"""espalier status: what is live on each machine."""

from __future__ import annotations

import json

import click

from espalier.cli.command import site_command
from espalier.cli.machines import ask_all
from espalier.cli.options import json_option
from espalier.inventory.site import Site
from espalier_machine.common.text import format_table

HEADER = ["MACHINE", "LIVE", "REVISION", "HEALTHY", "SINCE", "BY", "KEPT"]


@site_command()
@json_option
def command(site: Site, as_json: bool) -> int:
    """Say what is live on each machine, how it is, since when, by whom, and what is kept."""
    answers = ask_all(site, "status")
    if as_json:
        click.echo(json.dumps(answers))
        return 0 if all(answer["ok"] for answer in answers.values()) else 1
    rows = [HEADER]
    for machine, answer in answers.items():
        if not answer["ok"]:
            rows.append([machine, answer["error"], "", "", "", "", ""])
            continue
        live = answer["live"] or dict.fromkeys(("id", "revision", "since", "by", "healthy"), "")
        healthy = "yes" if live["healthy"] else "NO"
        if live["healthy"] and answer["stale"]:
            healthy = "yes, but its settings have changed"
        elif live["healthy"] and answer.get("unfinished"):
            healthy = "yes, but its release was cut off"
        rows.append(
            [
                *(machine, live["id"] or "nothing yet", live["revision"][:12], healthy),
                *(live["since"][:19], live["by"], str(len(answer["releases"]))),
            ]
        )
    click.echo(format_table(rows))
    for answer in answers.values():
        if lock := answer.get("site_lock"):
            click.echo(f"{lock['by']} is at work since {lock['since'][:19]}: {lock['what']}")
    lives = {(answer.get("live") or {}).get("identity") for answer in answers.values()}
    if len(lives) > 1:
        click.echo(
            "The machines serve different releases: `espalier release` or `espalier rollback` "
            "ends that."
        )
    good = all(a["ok"] and a["live"] and a["live"]["healthy"] for a in answers.values())
    return 0 if good and len(lives) == 1 else 1
