"""espalier psql: the primary's database, for its administrator."""

from __future__ import annotations

import click

from espalier.cli.command import PASS_ON, site_command
from espalier.inventory.remote import reach
from espalier.inventory.site import Site


@site_command(context_settings=PASS_ON)
@click.option("-c", "--command", "statement", default="", help="Run this, and end.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS OF psql]")
def command(site: Site, statement: str, words: tuple[str, ...]) -> int:
    """Open psql in the project's database.

    On the primary, as its administrator.
    """
    psql = ["runuser", "-u", "postgres", "--", "psql", "-d", site.name, *words]
    psql += ["-c", statement] if statement else []
    with reach(site) as remote:
        return remote.attach(site.machines("postgresql_primary")[0], psql)
