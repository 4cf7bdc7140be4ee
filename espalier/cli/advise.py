"""espalier advise: what limits the site, and the one change that removes the limit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from espalier.cli.command import Command, selected
from espalier.cli.options import OPTIONS, json_option
from espalier.insight.ledger import record_line
from espalier.measuring import engine
from espalier.measuring.store import Store, read_file


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
    named = Path(recording)
    if recording and named.is_file():
        read, store = read_file(named), None
    else:
        chosen = selected({"environment": environment, "inventory": inventory})
        store = Store(chosen.inventory)
        read = store.read(recording) if recording else store.newest()
    evidence = engine.observe(read)
    advice = engine.advise(evidence)
    if store is None and named.resolve() == Store(named.resolve().parent.parent).path(read.id):
        store = Store(named.resolve().parent.parent)  # one of an environment, named as a file
    if store:
        store.write_advice(read.id, advice)
    record = record_line(store.ledger()) if store else ""
    if as_json:
        click.echo(
            json.dumps({"ok": True, "recording": read.id, "record": record} | asdict(advice))
        )
    else:
        click.echo(engine.advice_text(advice, evidence, record))
    return 0
