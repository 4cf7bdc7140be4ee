"""espalier down: remove what `espalier up` made."""

from __future__ import annotations

import click

from espalier import paths
from espalier.cli.command import Command
from espalier.inventory.environments import is_inventory
from espalier.lab import commands, site
from espalier.lab.inventory import read_lab


@click.command(cls=Command)
def command() -> int:
    """Remove the local machine of `espalier up`.

    With all that it holds.
    """
    if is_inventory(paths.LAB):
        commands.down(read_lab(paths.LAB))
        site.reset()
    return 0
