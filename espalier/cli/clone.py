"""espalier clone: bring the data of an environment's backups into another environment."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
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
from espalier.cloning import source
from espalier.cloning import uploads as uploading
from espalier.cloning.refusals import Side, check_anonymise, check_pair, check_quiet
from espalier.inventory.remote import reach
from espalier.inventory.site import SiteError
from espalier.progress import logs
from espalier.progress.report import INTERRUPTED, REFUSED
from espalier.project.schema import check
from espalier.restoring import moment
from espalier.restoring import uploads as copies
from espalier.restoring.moment import FORMS, LATEST
from espalier.rollout.display import Display
from espalier_machine.common.text import counted


@environment_command()
@click.option("--to", required=True, metavar="NAME", help="The environment that gets the data.")
@click.option("--at", default=LATEST, metavar="TIME", help=f"The moment, {FORMS}, the default.")
@click.option("--anonymise", is_flag=True, help="Blank what `anonymise` in project.yml names.")
@click.option(
    "--uploads/--no-uploads",
    default=None,
    help="Bring uploads, or leave them out. By itself it brings them, but not with --anonymise: "
    "files stay as they are.",
)
@click.option("--loud", is_flag=True, help="NAME may send mail, and run scheduled commands.")
@click.option("--yes", default="", metavar="SITE", help="The site's name: do it without asking.")
def command(
    environment: Environment,
    to: str,
    at: str,
    anonymise: bool,
    uploads: bool | None,
    loud: bool,
    yes: str,
) -> int:
    """Bring the data of this environment's backups into another one.

    The backup is restored beside the live database, anonymised there, and dumped; the dump, and
    uploads of the same moment, come through this computer. In the other environment they are what
    an import brings: the database that is there is set aside, and so are uploads that others
    replace; the site is closed meanwhile, and migrated to its live release.
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
    left_out = uploading.left_out(ours, theirs, wanted=uploads, anonymise=anonymise)
    check_quiet(theirs, ask_all(theirs.site, "status"), loud)
    click.echo("\n".join(announcement(ours, theirs, at, said, left_out)))
    if not yes:
        _ask(theirs.name, name, is_real=not anonymise)
    with (
        interrupted_once(),
        logs.create(target.name, "clone") as log,
        closing(Display(sys.stdout, log)) as display,
        tempfile.TemporaryDirectory(prefix="espalier-clone-") as folder,  # of the mode 0700
        reach(ours.site) as remote,
        ExitStack() as stack,
    ):
        notes: list[str] = []
        display.line(f"From {ours.name}:")
        dump, media = Path(folder) / "clone.dump", None
        with _unchanged():
            answer = source.bring(remote, source.machine(ours.site), said, dump, display, notes)
            if not left_out:
                offered = uploading.offered(
                    remote, copies.machine(ours.site), answer["moment"], display, notes
                )
                media = stack.enter_context(offered)
        display.line(f"To {theirs.name}:")
        request = Request(dump=read_dump(dump), media=media, replace=True)
        report = _bring_in(theirs, request, display, log)
    report.notes += notes
    show(target, theirs.site, report)
    click.echo("\n".join(told(answer, theirs, left_out)))
    return 1 if report.failures else 0


def announcement(
    ours: Side, theirs: Side, at: str, said: Mapping[str, Any], left_out: str
) -> Iterator[str]:
    """What will happen, as lines for a person.

    Args:
        ours: the environment that data comes from.
        theirs: the one where it goes.
        at: the moment, as the person wrote it.
        said: what the machine with the backups is told.
        left_out: why uploads do not come; "" where they do.
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
    if left_out:
        yield f"  left    uploads: {left_out}"
    else:
        yield f"  uploads of the same moment, read on {copies.machine(ours.site)}, as they are"
    yield f"  kept    the database of {theirs.name} that is there now, under another name"
    if not left_out:
        yield f"          and uploads of {theirs.name}; those that others replace, beside them"


def told(answer: Mapping[str, Any], theirs: Side, left_out: str) -> Iterator[str]:
    """What was done to the data, as lines for a person.

    Args:
        answer: of the machine with the backups.
        theirs: the environment that has the data now.
        left_out: why uploads did not come; "" where they did.
    """
    for table, rows in answer["anonymised"].items():
        yield f"Blanked: {counted(rows, 'row')} of {table}."
    if not answer["anonymised"]:
        yield f"The data of people in {theirs.name} is real."
    elif not left_out:
        yield "Uploads are as they were: nobody anonymises files."
    if left_out:
        yield f"Uploads did not come: {left_out}. Pages may name files that are not there."


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


@contextmanager
def _unchanged() -> Iterator[None]:
    """What is interrupted here has changed nothing."""
    try:
        yield
    except KeyboardInterrupt:
        raise SiteError("Interrupted. Nothing was changed.", INTERRUPTED) from None


def _bring_in(theirs: Side, request: Request, display: Display, log: TextIO) -> Report:
    with reach(theirs.site) as remote:
        return bring_in(theirs.site, remote, request, display, log)
