"""espalier clone: bring the data of an environment's backups into another environment."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

import click

from espalier.arriving.dumpfile import read_dump
from espalier.arriving.order import Request
from espalier.arriving.report import Report
from espalier.cli.command import Environment, environment_command, is_terminal, selected
from espalier.cli.import_site import bring_in, interrupted_once, show
from espalier.cli.machines import ask_all
from espalier.cli.remove import confirm
from espalier.cloning import source, uploads
from espalier.cloning.refusals import Side, check_anonymise, check_pair, check_quiet
from espalier.inventory.remote import reach
from espalier.inventory.site import SiteError
from espalier.progress import logs
from espalier.progress.report import INTERRUPTED, REFUSED, counted
from espalier.project.schema import check
from espalier.restoring import moment
from espalier.restoring.moment import FORMS, LATEST
from espalier.rollout.display import Display


@environment_command()
@click.option("--to", required=True, metavar="NAME", help="The environment that gets the data.")
@click.option("--at", default=LATEST, metavar="TIME", help=f"The moment, {FORMS}, the default.")
@click.option("--anonymise", is_flag=True, help="Blank what `anonymise` in project.yml names.")
@click.option("--loud", is_flag=True, help="NAME may send mail, and run scheduled commands.")
@click.option("--yes", default="", metavar="SITE", help="The site's name: do it without asking.")
def command(
    environment: Environment, to: str, at: str, anonymise: bool, loud: bool, yes: str
) -> int:
    """Bring the data of this environment's backups into another one.

    The backup is restored beside the live database, anonymised there, and dumped; the dump comes
    through this computer. In the other environment it is what an import brings: the database that
    is there is set aside, the site is closed meanwhile, and migrated to its live release.
    """
    wanted = moment.at(at, "--at")
    target = selected({**environment.options, "environment": to, "inventory": None})
    ours, theirs = _side(environment), _side(target)
    check_pair(ours, theirs)
    name = ours.site.name
    if yes not in ("", name):
        raise SiteError(f"--yes says {yes}, and the site is {name}. Nothing was changed.", REFUSED)
    said: dict[str, Any] = dict(wanted)
    if anonymise:
        check_anonymise(ours)
        said["anonymise"] = dict(ours.project.anonymise)
    check_quiet(theirs, ask_all(theirs.site, "status"), loud)
    click.echo("\n".join(announcement(ours, theirs, at, said)))
    if not yes:
        _ask(theirs.name, name, is_real=not anonymise)
    with (
        interrupted_once(),
        logs.create(target.name, "clone") as log,
        closing(Display(sys.stdout, log)) as display,
        tempfile.TemporaryDirectory(prefix="espalier-clone-") as folder,  # of the mode 0700
    ):
        notes: list[str] = []
        answer, request = _fetch(ours, said, Path(folder), display, notes)
        display.line(f"To {theirs.name}:")
        report = _bring_in(theirs, request, display, log)
    report.notes += notes
    show(target, theirs.site, report)
    click.echo("\n".join(told(answer, theirs, target.again("import --media DIR"), request.media)))
    return 1 if report.failures else 0


def announcement(ours: Side, theirs: Side, at: str, said: Mapping[str, Any]) -> Iterator[str]:
    """What will happen, as lines for a person.

    Args:
        ours: the environment that data comes from.
        theirs: the one where it goes.
        at: the moment, as the person wrote it.
        said: what the machine with the backups is told.
    """
    when = "the newest that its backups have" if "latest" in said else f"as of {at}"
    yield f"{ours.site.name} of {theirs.name} would get the data of {ours.name}, {when}."
    yield f"  from    the backups of {ours.name}, read on {source.machine(ours.site)}"
    if columns := said.get("anonymise"):
        names = "; ".join(f"{table}: {', '.join(of)}" for table, of in columns.items())
        yield f"  blanked {names}. All else is real"
    else:
        yield f"  REAL    data of people goes to {theirs.name} as it is (--anonymise blanks it)"
    yield "  left    sessions: nobody stays logged in"
    yield f"  kept    the database of {theirs.name} that is there now, under another name"


def told(
    answer: Mapping[str, Any], theirs: Side, media_command: str, media: Path | None
) -> Iterator[str]:
    """What was done to the data, as lines for a person.

    Args:
        answer: of the machine with the backups.
        theirs: the environment that has the data now.
        media_command: brings a directory with uploads.
        media: the uploads that came; None for none.
    """
    for table, rows in answer["anonymised"].items():
        yield f"Blanked: {counted(rows, 'row')} of {table}."
    if not answer["anonymised"]:
        yield f"The data of people in {theirs.name} is real."
    if media is None:
        yield uploads.NOT_CLONED.format(media_command)


def _side(environment: Environment) -> Side:
    site = environment.read()
    run = environment.again("site")
    return Side(environment.name, site, check(site.project), run)


def _ask(destination: str, name: str, is_real: bool) -> None:
    """Have a person agree.

    Raises:
        SiteError: they do not, or nobody is there.
    """
    if is_real and is_terminal():
        question = f"Data of real people goes to {destination}, with all that is known of them?"
        if not click.confirm(question, err=True):
            raise SiteError("Nothing was changed.", REFUSED)
    confirm(name)


def _fetch(
    ours: Side, said: Mapping[str, Any], folder: Path, display: Display, notes: list[str]
) -> tuple[Mapping[str, Any], Request]:
    """Have the moment dumped, and fetch it; gives what the machine said, and what to import.

    Raises:
        SiteError: it failed; nothing was changed anywhere.
    """
    dump, machine = folder / "clone.dump", source.machine(ours.site)
    display.line(f"From {ours.name}:")
    try:
        with reach(ours.site) as remote:
            answer = source.bring(remote, machine, said, dump, display, notes)
            media = uploads.fetch(remote, said, folder)
    except KeyboardInterrupt:
        raise SiteError("Interrupted. Nothing was changed.", INTERRUPTED) from None
    return answer, Request(dump=read_dump(dump), media=media, replace=True)


def _bring_in(theirs: Side, request: Request, display: Display, log: TextIO) -> Report:
    with reach(theirs.site) as remote:
        return bring_in(theirs.site, remote, request, display, log)
