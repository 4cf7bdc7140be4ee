"""espalier measure: watch what visitors do, and what it takes of each machine."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from espalier.cli.command import Environment, environment_command
from espalier.cli.duration import Duration
from espalier.cli.measured import INTERRUPTED, progress, told_errors
from espalier.cli.options import json_option
from espalier.insight.summary import summarise
from espalier.measuring.session import measure
from espalier.measuring.store import Store
from espalier.measuring.words import summary_lines


@environment_command()
@click.option(
    "--for",
    "seconds",
    type=Duration(least=10),
    default="5m",
    show_default=True,
    metavar="TIME",
    help="How long: 30s, 10m, 1h; at most 24h.",
)
@json_option
def command(environment: Environment, seconds: float, as_json: bool) -> int:
    """Watch what visitors do, and what it takes of each machine.

    Nothing is sent to the site and nothing is changed. It tells the response time, the
    throughput, the availability and the utilisation of each part, and keeps the recording beside
    the inventory (.measurements/), for `espalier advise`. A quarter of an hour at a busy time
    says more than an hour at night.
    """
    site = environment.read(settings=True)
    with progress(site, seconds, silent=as_json) as shown:
        recording, was_stopped = measure(site, seconds, shown)
    path = Store(environment.inventory).write(recording)
    summary = summarise(recording)
    if as_json:
        errors = told_errors(recording)
        told = {"ok": True, "recording": recording.id, "file": str(path), "errors": errors}
        click.echo(json.dumps(told | asdict(summary)))
    else:
        lines = [*summary_lines(summary), *told_errors(recording), f"Recorded in {path}."]
        click.echo("\n".join([*lines, f"What limits the site: `{environment.again('advise')}`"]))
    return INTERRUPTED if was_stopped else 0
