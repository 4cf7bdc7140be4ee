"""espalier manage: manage.py in the live release."""

from __future__ import annotations

from collections.abc import Sequence

import click

from espalier.cli.command import PASS_ON, site_command
from espalier.inventory.remote import reach
from espalier.inventory.site import Site, SiteError


@site_command(context_settings=PASS_ON)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND [ARGUMENTS]...")
def command(site: Site, words: tuple[str, ...]) -> int:
    """Run manage.py in the live release.

    On the first machine that runs Django. For example:
    espalier manage -e production -- createsuperuser --username anna
    """
    if not words:
        raise SiteError("Say what to run: espalier manage -- createsuperuser.", 2)
    return manage(site, words)


def manage(site: Site, words: Sequence[str]) -> int:
    """Run manage.py with this terminal; gives its exit status."""
    with reach(site) as remote:
        return remote.attach(
            site.app_machines[0], ["release", "--project", site.name, "manage", "--", *words]
        )
