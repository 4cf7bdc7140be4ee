"""espalier alerts: what fails on each machine, whom it is told, and whether that works."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from espalier.cli.command import Environment, environment_command
from espalier.cli.machines import ask_machines
from espalier.cli.options import json_option
from espalier.progress.report import UNTOLD
from espalier_machine.common.text import format_table

PROGRAM = "espalier-alerts"


@environment_command()
@click.option("--test", is_flag=True, help="Send one message from each machine by each channel.")
@json_option
def command(environment: Environment, test: bool, as_json: bool) -> int:
    """Say what fails on each machine, and who is told.

    With --test, each machine sends a message to all whom hosts.yml names, and says what they
    answered.
    """
    site = environment.read()
    action = "test" if test else "status"
    names = site.topology["machines"]
    answers = ask_machines(site, {name: [PROGRAM, "--json", action] for name in names})
    if as_json:
        click.echo(json.dumps(answers))
    else:
        click.echo("\n".join(test_lines(answers) if test else status_lines(answers)))
    return 0 if all(answer["ok"] for answer in answers.values()) else 1


def test_lines(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What each channel of each machine answered, for a person."""
    rows = [["MACHINE", "CHANNEL", "TAKEN", "ANSWER"]]
    for machine, answer in answers.items():
        if "told" not in answer:
            rows.append([machine, "", "NO", answer["error"]])
        for one in answer.get("told", ()):
            rows.append([machine, one["channel"], "yes" if one["ok"] else "NO", one["answer"]])
    return [format_table(rows)] if len(rows) > 1 else [UNTOLD]


def status_lines(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What fails where, what waits there, and who is told, for a person."""
    lines = list(state_lines(answers))
    lines = lines or ["Nothing fails."]
    for machine, answer in answers.items():
        told = [*answer.get("channels", ()), *["heartbeat"] * bool(answer.get("heartbeat"))]
        lines += [f"{machine} tells: {', '.join(told)}"] if told else []
    return lines + [UNTOLD] * is_untold(answers)


def state_lines(answers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What a person has to know of machines: what fails, and what waits. Nothing where all is well.

    Args:
        answers: of `espalier-alerts status`, by machine.
    """
    for machine, answer in answers.items():
        if not answer["ok"]:
            continue
        for one in answer["failing"]:
            since = datetime.datetime.fromtimestamp(one["since"], datetime.UTC)
            yield f"{machine}: {one['unit']} fails since {since:%Y-%m-%d %H:%M} UTC: {one['what']}"
        if answer["waiting"]:
            yield (
                f"{machine}: {answer['waiting']} messages could not be sent yet: "
                "`espalier alerts --test` says why"
            )
        if answer["reboot"]:
            yield f"{machine} waits for a reboot: {', '.join(answer['reboot'])}"
        if day := answer.get("certificate_ends"):  # not of an earlier version's program
            why = ": a run of the site renews it"
            if answer.get("authority_ends"):
                why = (
                    ", as the site's authority does: `espalier secrets rotate authority` makes "
                    "another one"
                )
            yield f"{machine}: its certificate for the site's other machines ends on {day}{why}"
        if answer["outdated"]:
            yield (
                f"{machine}: these run files that an upgrade has replaced, until they are "
                f"restarted: {', '.join(answer['outdated'])}"
            )


def is_untold(answers: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether machines have answered, and none of them tells anybody."""
    good = [one for one in answers.values() if one["ok"]]
    return bool(good) and not any(one["channels"] or one["heartbeat"] for one in good)
