"""espalier rollback: go back to a release before."""

from __future__ import annotations

from subprocess import Popen

import click

from espalier.cli.command import site_command
from espalier.cli.options import json_option
from espalier.cli.outcome import perform
from espalier.cli.release import accept_option
from espalier.inventory.site import Site
from espalier.rollout.process import start


@site_command(prepare=start)
@click.argument("release", default="")
@accept_option
@json_option
def command(
    site: Site, runner: Popen[str], release: str, accept: tuple[str, ...], as_json: bool
) -> int:
    """Go back to the release before, on every machine.

    Or to RELEASE, an id or identity that `espalier status --json` has.
    """
    # Loaded while the runner starts: it brings pydantic along.
    from espalier.rollout.request import Request

    request = Request(accept=accept, rollback_to=release)
    return perform(runner, site, request, as_json=as_json)
