"""espalier backups: what there is to restore from, and whether that is proven."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from espalier.cli.command import Environment, environment_command
from espalier.cli.machines import ask_programs
from espalier.cli.options import json_option
from espalier.inventory.site import Site, SiteError
from espalier.progress.report import UNCOPIED
from espalier.restoring import drills, uploads
from espalier.restoring.ask import PROGRAM
from espalier.restoring.moment import shown, span
from espalier.restoring.page import page
from espalier_machine.common.text import format_table, shown_size

COLOURS = ("green", "amber", "red")
SHOWN = {"green": "green", "amber": "yellow", "red": "red"}


@environment_command()
@json_option
@click.option(
    "--page",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report as a page (HTML) too, with the trend of the last 90 drills.",
)
def command(environment: Environment, as_json: bool, file: Path | None) -> int:
    """Say what there is to restore from, and whether that is proven.

    Per machine: the newest backup, how far WAL has come, the last drill with its figures and their
    trend, and what is wrong. The exit status is 0 where all is well (green), 1 where it is not
    (red, or amber: what is not proven is not well), and 1 without backups.
    """
    site = environment.read()
    if not site.machines("pgbackrest"):
        if as_json:
            click.echo(json.dumps({"colour": "red", "machines": {}}))
        else:
            click.echo(UNCOPIED)
        return 1
    answers, copies = ask_programs(site, questions(site), uploads_questions(site))
    judged = {machine: uploads.judged(answer) for machine, answer in copies.items()}
    found = worst([*answers.values(), *judged.values()])
    if file:
        write(file, page(site.name, time.time(), found, answers, judged))
    if as_json:
        click.echo(json.dumps({"colour": found, "machines": answers, "uploads": judged}))
    else:
        for machine, answer in answers.items():
            click.echo("\n".join(lines(machine, answer)))
        for machine, answer in judged.items():
            click.echo("\n".join(uploads_lines(machine, answer)))
        click.secho(found, fg=SHOWN[found], bold=True)
    return 0 if found == "green" else 1


def write(file: Path, text: str) -> None:
    """Write the page.

    Raises:
        SiteError: it cannot be written there.
    """
    try:
        file.write_text(text)
    except OSError as error:
        raise SiteError(f"--page: {file} cannot be written: {error.strerror}.", 2) from None


def questions(site: Site) -> dict[str, list[str]]:
    """What each machine of the backups is asked, for `ask_programs`."""
    machines = [*site.machines("pgbackrest"), *site.machines("pgbackrest_repository")]
    return {machine: [PROGRAM, "status", "--json"] for machine in machines}


def uploads_questions(site: Site) -> dict[str, list[str]]:
    """What each machine that has to do with copies of uploads is asked, for `ask_programs`."""
    machines = [*site.machines("restic"), *site.machines("restic_repository")]
    return {machine: [uploads.PROGRAM, "status", "--json"] for machine in machines}


def uploads_lines(machine: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """What a machine says of uploads, for a person."""
    if not answer["ok"]:
        yield f"{machine}: {answer['error']}"
        return
    kept = "in an object store, which keeps versions: no sample of it is drawn"
    where = kept if answer["uploads"] == "s3" else ""
    yield f"{machine} (uploads), {where or answer['repository']}"
    rows = list(uploads.rows(answer))
    yield from (f"  {line}" for line in format_table(rows).splitlines()) if rows else ()
    yield from _told(answer["findings"])


def _told(findings: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for one in findings:
        yield f"  {click.style(one['colour'], fg=SHOWN[one['colour']])}: {one['sentence']}"


def state_line(
    answers: Mapping[str, Mapping[str, Any]], copies: Mapping[str, Mapping[str, Any]]
) -> str:
    """All of it in a line, for `espalier status`.

    Args:
        answers: to `questions`; none where nothing is copied.
        copies: to `uploads_questions`.
    """
    if not answers:
        return UNCOPIED
    both = [*answers.items(), *((name, uploads.judged(one)) for name, one in copies.items())]
    words = [
        f"{machine}: {one['findings'][0]['sentence'] if one['ok'] else one['error']}"
        for machine, one in both
        if colour(one) != "green"
    ]
    drills = [one["drill"] for one in answers.values() if one["ok"] and one["drill"].get("ok")]
    proven = [f"a restore was proven at {shown(drills[0]['ended'])}"] if drills else []
    return f"backups {worst([one for _, one in both])}: {'; '.join(words or proven)}"


def worst(answers: Sequence[Mapping[str, Any]]) -> str:
    """The worst colour of all."""
    return max(map(colour, answers), key=COLOURS.index)


def colour(answer: Mapping[str, Any]) -> str:
    """How a machine is; red where it does not answer."""
    return str(answer["colour"]) if answer["ok"] else "red"


def lines(machine: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """What a machine says, for a person."""
    if not answer["ok"]:
        yield f"{machine}: {answer['error']}"
        return
    yield f"{machine} ({answer['part']}), {answer['destination']}"
    rows = list(_rows(answer))
    yield from (f"  {line}" for line in format_table(rows).splitlines()) if rows else ()
    yield from _told(answer["findings"])


def _rows(answer: Mapping[str, Any]) -> Iterator[list[str]]:
    now, backups = answer["now"], answer["backups"]
    fulls = [one for one in backups if one["kind"] == "full"]
    for name, found in (("full", fulls), ("newest", backups)):
        if found:
            last = found[-1]
            size = f"{shown_size(last['size'])}, {shown_size(last['stored'])} stored"
            yield [name, shown(last["ended"]), f"{span(now - last['ended'])} ago, {size}"]
    if wal := answer["archiving"]:
        came = shown(wal["archived"]) if wal["archived"] else "nothing yet"
        waits = f"{shown_size(wal['waiting'])} of {shown_size(wal['bound'])} wait"
        yield ["WAL", came, waits]
    if row := drills.row(answer["drill"]):
        yield row
    yield from drills.trend(answer.get("drills", []))
    nexts = [(answer["next"], "backup"), (answer.get("next_drill", ""), "drill")]
    known = [(when, what) for when, what in nexts if when]
    yield from (["" if place else "next", when, what] for place, (when, what) in enumerate(known))
