"""espalier release: ship a version to every machine."""

from __future__ import annotations

from subprocess import Popen

import click

from espalier.cli.command import site_command
from espalier.cli.options import json_option
from espalier.cli.outcome import perform
from espalier.inventory.site import Site
from espalier.rollout.batches import BATCHES, batches
from espalier.rollout.process import start

accept_option = click.option(
    "--accept",
    multiple=True,
    metavar="APP.MIGRATION",
    help="A migration that is unsafe (or all), to go on all the same.",
)


@site_command(prepare=start)
@click.option("--version", default="", help="Instead of what project.yml says.")
@click.option(
    "--batches",
    "sizes",
    default=",".join(BATCHES),
    metavar="1,10%,40%,100%",
    help="How many machines have the release after each batch.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would change, and stop.")
@accept_option
@json_option
def command(
    site: Site,
    runner: Popen[str],
    version: str,
    sizes: str,
    only_plan: bool,
    accept: tuple[str, ...],
    as_json: bool,
) -> int:
    """Ship what project.yml declares to every machine."""
    # Loaded while the runner starts: it brings pydantic along.
    from espalier.rollout.request import Request

    wanted = tuple(sizes.split(","))
    batches(site.app_machines, wanted)  # refused before anything is packed
    request = Request(version=version, batches=wanted, only_plan=only_plan, accept=accept)
    return perform(runner, site, request, as_json=as_json)
