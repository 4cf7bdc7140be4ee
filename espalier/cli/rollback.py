"""espalier rollback: go back to a release before."""

from __future__ import annotations

import click

from espalier.cli.options import json_option, site_command
from espalier.cli.outcome import perform
from espalier.cli.release import accept_option
from espalier.inventory.site import Site
from espalier.rollout.request import Request


@site_command()
@click.argument("release", default="")
@accept_option
@json_option
def command(site: Site, release: str, accept: tuple[str, ...], as_json: bool) -> int:
    """Go back to the release before, or to RELEASE (an id or identity), on every machine."""
    return perform(site, Request(accept=accept, rollback_to=release), as_json=as_json)
