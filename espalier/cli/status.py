"""espalier status: what is live on each machine."""

from __future__ import annotations

import datetime
import json

import click

from espalier.cli import backups, certificates
from espalier.cli.alerts import PROGRAM, is_untold, state_lines
from espalier.cli.command import Environment, environment_command
from espalier.cli.machines import ask_programs, release_words
from espalier.cli.options import json_option
from espalier.progress.report import UNTOLD
from espalier_machine.common.text import format_table

QUIET = "The site is quiet (`quiet` in project.yml): no mail is sent, nothing scheduled runs."
HEADER = ["MACHINE", "LIVE", "REVISION", "HEALTHY", "SINCE", "BY", "KEPT"]


@environment_command()
@json_option
def command(environment: Environment, as_json: bool) -> int:
    """Say what is live on each machine, and how it is.

    And since when, by whom, and how many releases are kept. What fails there, and what waits for a
    reboot.
    """
    site = environment.read()
    answers, states, served, copies, files = ask_programs(
        site,
        {name: release_words(site, "status") for name in site.app_machines},
        {name: [PROGRAM, "--json", "status"] for name in site.topology["machines"]},
        dict.fromkeys(site.machines("nginx"), certificates.WORDS),
        backups.questions(site),
        backups.uploads_questions(site),
    )
    facts = certificates.served(served)
    if as_json:
        for machine, fact in facts.items():
            states[machine]["certificate"] = fact
        for machine, copy in copies.items():
            states[machine]["backup"] = copy
        for machine, copy in files.items():
            states[machine]["uploads_backup"] = copy
        click.echo(
            json.dumps({name: one | {"machine": states[name]} for name, one in answers.items()})
        )
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
    now = datetime.datetime.now(datetime.UTC)
    for machine, fact in facts.items():
        click.echo(certificates.line(machine, fact, now))
    for answer in answers.values():
        if lock := answer.get("site_lock"):
            click.echo(f"{lock['by']} is at work since {lock['since'][:19]}: {lock['what']}")
    for machine, answer in answers.items():
        for unit in answer.get("waiting_for_sandbox", ()):
            click.echo(
                f"{machine}: {unit} runs without its sandbox until its next start: a reboot, an "
                f"update of its package, or `systemctl restart {unit}`, at which requests may fail."
            )
    if any(answer.get("quiet") for answer in answers.values()):
        click.echo(QUIET)
    lives = {(answer.get("live") or {}).get("identity") for answer in answers.values()}
    if len(lives) > 1:
        click.echo(
            f"The machines serve different releases: `{environment.again('release')}` or "
            f"`{environment.again('rollback')}` ends that."
        )
    for name in states.keys() - answers.keys():  # of the others the table has told it
        if not states[name]["ok"]:
            click.echo(f"{name}: {states[name]['error']}")
    click.echo(backups.state_line(copies, files))
    for line in [*state_lines(states), *[UNTOLD] * is_untold(states)]:
        click.echo(line)
    good = all(a["ok"] and a["live"] and a["live"]["healthy"] for a in answers.values())
    return 0 if good and len(lives) == 1 else 1
