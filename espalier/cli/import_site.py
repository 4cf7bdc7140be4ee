"""espalier import: bring a database and uploads from elsewhere into a site."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

import click

from espalier.arriving import compare
from espalier.arriving.dumpfile import read_dump
from espalier.arriving.order import ENDING, UNCHANGED, Import, Request
from espalier.arriving.report import Report
from espalier.arriving.uploads import find_uploads
from espalier.arriving.url import SourceUrl, parse
from espalier.cli.command import Environment, environment_command, is_terminal
from espalier.cli.options import json_option
from espalier.inventory.remote import Remote, reach
from espalier.inventory.site import Site, SiteError
from espalier.progress import logs
from espalier.progress.report import INTERRUPTED
from espalier.rollout.display import Display
from espalier_machine.common.text import counted

VARIABLE = "PGPASSWORD"  # libpq's own


@environment_command(name="import")
@click.option(
    "--database",
    default="",
    metavar="URL",
    help="The source: postgres://USER@HOST/DATABASE, or - to read the URL from standard input. Its "
    "password is asked for, or taken from PGPASSWORD.",
)
@click.option(
    "--dump",
    type=click.Path(path_type=Path),
    help="In place of a URL: a file that pg_dump wrote, custom format or SQL; .gz too.",
)
@click.option("--media", type=click.Path(path_type=Path), help="A directory with uploads.")
@click.option("--replace", is_flag=True, help="The site may have data: it is kept aside.")
@json_option
def command(
    environment: Environment,
    database: str,
    dump: Path | None,
    media: Path | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Bring a database and uploads from elsewhere.

    The database that the site has is renamed, and kept. The site is closed for maintenance while
    the new one is loaded, and opens with it, migrated to the live release.
    """
    if not (database or dump or media) or (database and dump):
        raise SiteError("Say what to import: --database URL or --dump FILE, --media DIR.", 2)
    request = Request(
        source=_source(database) if database else None,
        dump=read_dump(dump) if dump else None,
        media=find_uploads(media) if media else None,
        replace=replace,
    )

    site = environment.read()
    with (
        logs.create(environment.name, "import") as log,
        closing(Display(None if as_json else sys.stdout, log)) as display,
        reach(site) as remote,
        interrupted_once(),
    ):
        report = bring_in(site, remote, request, display, log)
    if as_json:
        click.echo(json.dumps(_as_json(report) | {"log": log.name}))
    else:
        show(environment, site, report)
    return 1 if report.failures else 0


def bring_in(site: Site, remote: Remote, request: Request, display: Display, log: TextIO) -> Report:
    """Bring data into a site; where that fails, the error says how the site is.

    Raises:
        SiteError: it was refused, failed, or was interrupted.
    """
    work = Import(site, remote, request, display)
    try:
        return work.run()
    except KeyboardInterrupt:
        raise SiteError(f"Interrupted. {work.aftermath()}", INTERRUPTED) from None
    except SiteError as caught:
        after, error = work.aftermath(), caught
        if error.status == 1 or after != UNCHANGED:  # else its own words say so
            error = SiteError(f"{str(error).rstrip('.')}. {after}", error.status, error.detail)
        log.write(f"{error}\n{error.detail}\n")
        if error.status == 1:
            error.detail = f"{error.detail.rstrip()}\nThe whole log: {logs.shown(log.name)}".strip()
        raise error from None


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Have Ctrl-C and its like interrupt once: the way back is gone to its end."""

    def interrupt(number: int, frame: object) -> None:
        # The programs that are started from now on ignore it too.
        for one in ENDING:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # a job in the background
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _source(url: str) -> SourceUrl:
    """The source, with its password from where no process list shows it."""
    typed = url != "-"
    source = parse(url if typed else sys.stdin.readline())
    if typed and source.password:
        raise SiteError(
            "The URL has its password in it, and every user of this machine sees what a command "
            "is called with. Give the URL on standard input (`--database -`), or without the "
            f"password, which is then asked for, or taken from {VARIABLE}. And the shell may have "
            "noted it in its history.",
            2,
        )
    if not source.password and (known := os.environ.get(VARIABLE)):
        return dataclasses.replace(source, password=known)
    if not source.password and is_terminal():
        asked: str = click.prompt(
            f"Password of {source.user} on {source.host}",
            hide_input=True,
            default="",
            show_default=False,
            err=True,
        )
        return dataclasses.replace(source, password=asked)
    return source


def _as_json(report: Report) -> dict[str, object]:
    uploads = report.uploads
    return {
        "ok": not report.failures,
        "before": report.before,
        "after": report.after,
        "database_aside": report.database_aside,
        "uploads": uploads.files if uploads else 0,
        "uploads_aside": uploads.aside if uploads else "",
        "notes": report.notes,
        "failures": report.failures,
    }


def show(environment: Environment, site: Site, report: Report) -> None:
    """Say what was brought in, and what is kept of what was there."""
    for note in report.notes:
        click.echo(f"  note: {note}")
    if report.database_aside:
        click.echo(compare.table(report.before, report.after))
        machine = site.machines("postgresql_primary")[0]
        drop = f"{environment.again('psql')} -c 'DROP DATABASE {report.database_aside}'"
        click.echo(
            f"The database that was there is kept on {machine} as {report.database_aside}. When "
            f"you do not need it any more: `{drop}`."
        )
    if uploads := report.uploads:
        came = f"{counted(uploads.files, 'upload')}, {counted(uploads.size, 'byte')}"
        click.echo(f"{came}, on {uploads.machine}.")
        if uploads.aside:
            click.echo(f"Those that they replaced are there in {uploads.aside}.")
    for failure in report.failures:
        click.echo(f"The data is in, but: {failure}", err=True)
