"""espalier status: what is live on each machine."""

from __future__ import annotations

import json

import click

from espalier.cli.command import Environment, environment_command
from espalier.cli.machines import ask_all
from espalier.cli.options import json_option
from espalier_machine.common.text import format_table

HEADER = ["MACHINE", "LIVE", "REVISION", "HEALTHY", "SINCE", "BY", "KEPT"]


@environment_command()
@json_option
def command(environment: Environment, as_json: bool) -> int:
    """Say what is live on each machine, and how it is.

    And since when, by whom, and how many releases are kept.
    """
    answers = ask_all(environment.read(), "status")
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
    for machine, answer in answers.items():
        for unit in answer.get("waiting_for_sandbox", ()):
            click.echo(
                f"{machine}: {unit} runs without its sandbox until its next start: a reboot, an "
                f"update of its package, or `systemctl restart {unit}`, at which requests may fail."
            )
    lives = {(answer.get("live") or {}).get("identity") for answer in answers.values()}
    if len(lives) > 1:
        click.echo(
            f"The machines serve different releases: `{environment.again('release')}` or "
            f"`{environment.again('rollback')}` ends that."
        )
    good = all(a["ok"] and a["live"] and a["live"]["healthy"] for a in answers.values())
    return 0 if good and len(lives) == 1 else 1
