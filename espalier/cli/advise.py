"""espalier advise: what limits the site, and the one change that removes the limit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from espalier.cli.command import Command
from espalier.cli.measured import chosen
from espalier.cli.options import OPTIONS, json_option
from espalier.insight.advice import Advice
from espalier.insight.ledger import record_line
from espalier.inventory.site import SiteError
from espalier.measuring import engine
from espalier.measuring.store import Store


@click.command(cls=Command)
@OPTIONS["environment"]
@OPTIONS["inventory"]
@json_option
@click.argument("recording", required=False, default="", metavar="[RECORDING]")
def command(environment: str, inventory: Path | None, as_json: bool, recording: str) -> int:
    """Say what limits the site, and the one change that removes the limit.

    From the newest recording of `espalier measure` or `espalier load`, or from RECORDING: its
    name, or any file (which needs no environment). It says how sure that is, what was ruled out,
    what the change gains, and what the limit will be then. No machine is asked. Where nothing
    limits the site it says so: change nothing.
    """
    read, store = chosen(environment, inventory, recording)
    evidence = engine.observe(read)
    advice = engine.advise(evidence)
    if store:
        _keep(store, read.id, advice)
    record = record_line(store.ledger()) if store else ""
    if as_json:
        click.echo(
            json.dumps({"ok": True, "recording": read.id, "record": record} | asdict(advice))
        )
    else:
        click.echo(engine.advice_text(advice, evidence, record))
    return 0


def _keep(store: Store, name: str, advice: Advice) -> None:
    """Keep an advice for `espalier prove`; a directory that cannot be written is no hindrance."""
    try:
        store.write_advice(name, advice)
    except SiteError as error:
        click.echo(
            f"The advice is not kept, and `espalier prove` will not know it. {error}", err=True
        )
