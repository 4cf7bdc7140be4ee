"""espalier shell: Python with the project's models, in the live release."""

from __future__ import annotations

import click

from espalier.cli.command import PASS_ON, site_command
from espalier.cli.manage import manage
from espalier.inventory.site import Site


@site_command(context_settings=PASS_ON)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS OF shell]")
def command(site: Site, words: tuple[str, ...]) -> int:
    """Open Django's shell in the live release.

    On the first machine that runs Django.
    """
    return manage(site, ["shell", *words])
