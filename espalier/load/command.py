"""The command ``python -m espalier.load``, which ``make load`` calls."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

import click

from espalier.load.report import is_clean, sentence
from espalier.load.site import LoadError, read_site
from espalier.load.stored import check_rows
from espalier.load.visitors import MAX_REQUESTS, MAX_SECONDS, Load
from espalier.paths import IS_CLONE, KIT

RESULTS = (KIT if IS_CLONE else Path()) / ".lab" / "load"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("-i", "--inventory", required=True, help="The site is that of this inventory.")
@click.option("--machine", default="", help="A web machine; default: the first.")
@click.option("--visitors", default=6, help="How many at once.")
@click.option("--seconds", default=60.0, help=f"At most {MAX_SECONDS}.")
@click.option("--requests", default=50_000, help=f"At most {MAX_REQUESTS}.")
@click.option("--pause", default=0.05, help="Seconds between two requests of a visitor.")
@click.option("--read-only", is_flag=True, help="Send no POST: only the front page, any project.")
@click.option("--ledger", type=Path, default=RESULTS / "ledger.jsonl", show_default=False)
@click.option("--report", type=Path, default=RESULTS / "report.json", show_default=False)
@click.option("--compare", type=Path, metavar="LEDGER", help="Send nothing, compare.")
def main(
    inventory: str,
    machine: str,
    visitors: int,
    seconds: float,
    requests: int,
    pause: float,
    read_only: bool,
    ledger: Path,
    report: Path,
    compare: Path | None,
) -> None:
    """Visit a site as many people would, and count what goes wrong.

    \b
    -i inventories/lab                   six visitors for a minute, reading and writing
    -i inventories/lab --read-only       any project: only its front page
    -i inventories/lab --compare FILE    compare a killed load's ledger with the site

    It visits the web machine that the inventory names, under the project's domain, and nothing
    else; it ends at its bounds or when told to (SIGTERM, Ctrl-C), and then reports. Exit status 1:
    a request failed, or a row was lost, applied twice or not seen by its own writer; 2: no load
    could be made.
    """
    try:
        site = read_site(inventory, machine)
        if compare:
            rows = check_rows(site, compare)
            click.echo(json.dumps(rows))
            sys.exit(1 if rows["lost"] or rows["doubled"] else 0)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with Load(site, visitors, None if read_only else ledger, seconds, requests, pause) as load:
            load.wait(stop)
        found = load.report()
    except LoadError as error:
        click.echo(f"load: {error}", err=True)
        sys.exit(2)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(sentence(found))
    for failure in found["failures"]:
        click.echo(f"  after {failure['after']} s: {failure['what']}")
    sys.exit(0 if is_clean(found) else 1)
