"""espalier report: a measurement as a page, as tables, or as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from espalier.cli.command import Command
from espalier.cli.measured import chosen
from espalier.cli.options import OPTIONS, json_option
from espalier.insight.ledger import record_line
from espalier.insight.recording import Recording
from espalier.insight.report.as_json import as_json as plain_data
from espalier.insight.report.given import Given
from espalier.insight.report.page import page
from espalier.insight.report.past import proofs
from espalier.insight.report.text import heading, lines, tables
from espalier.insight.trend import trend
from espalier.inventory.site import SiteError
from espalier.measuring import engine
from espalier.measuring.store import Store

PAGE = "espalier-report.html"
NEWEST = 14  # measurements that are read for the trend: each takes a part of a second


@click.command(cls=Command)
@OPTIONS["environment"]
@OPTIONS["inventory"]
@click.option(
    "--html",
    "html",
    is_flag=False,
    flag_value=PAGE,
    default=None,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="[FILE]",
    help=f"Write one file of HTML, which loads nothing and has no script ({PAGE}).",
)
@json_option
@click.argument("recording", required=False, default="", metavar="[RECORDING]")
def command(
    environment: str, inventory: Path | None, html: Path | None, as_json: bool, recording: str
) -> int:
    """Show what was measured: response time, throughput, availability, utilisation, and the advice.

    Of the newest recording of `espalier measure` or `espalier load`, or of RECORDING: its name,
    or any file (which needs no environment). No machine is asked.
    """
    if html and html.suffix not in (".html", ".htm"):
        raise SiteError(
            f"--html: {html} does not end in .html. To name a recording, write it before the "
            f"option: `espalier report {html} --html`.",
            2,
        )
    read, store = chosen(environment, inventory, recording)
    given = _given(read, store)
    if html:
        _write(html, page(given))
    if as_json:
        click.echo(json.dumps({"ok": True} | plain_data(given)))
    elif html:
        click.echo(f"Written: {html}")
    else:
        record = record_line(store.ledger()) if store else ""
        click.echo(heading(given))
        click.echo()
        click.echo(engine.advice_text(given.advice, given.evidence, record).rstrip())
        for title, rows in tables(given):
            click.echo()
            click.echo(lines(click.style(title, bold=True), rows))
    return 0


def _given(recording: Recording, store: Store | None) -> Given:
    """All that the report is made of; without a store, nothing of the past."""
    evidence = engine.observe(recording)
    # Judged anew: rules may have changed since `espalier advise` was run.
    advice = engine.advise(evidence)
    if store is None:
        return Given(recording, evidence, advice)
    found = None
    if evidence.parts and recording.purpose == "measure":
        found = trend(list(_older(store, recording)), evidence.parts[0].bound.value)
    past = proofs(store.ledger(), recording.environment)
    return Given(recording, evidence, advice, past, found)


def _older(store: Store, recording: Recording) -> Iterator[Recording]:
    """The newest measurements and this one; without files that cannot be read."""
    yield recording
    for name in store.names()[-NEWEST:]:
        if name != recording.id:
            with suppress(SiteError):
                yield store.read(name)


def _write(file: Path, text: str) -> None:
    """Write the page.

    Raises:
        SiteError: it cannot be written there.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SiteError(f"--html: {file} cannot be written: {error.strerror}.", 2) from None
