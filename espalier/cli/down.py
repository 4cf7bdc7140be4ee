"""espalier down: remove what `espalier up` made."""

from __future__ import annotations

import sys

import click

from espalier import paths
from espalier.inventory.environments import is_inventory
from espalier.lab import commands, site
from espalier.lab.inventory import read_lab
from espalier.lab.process import LabError


@click.command()
def command() -> None:
    """Remove the local machine of `espalier up`, with all that it holds."""
    try:
        if is_inventory(paths.LAB):
            commands.down(read_lab(paths.LAB))
            site.reset()
    except LabError as error:
        click.echo(f"down: {error}", err=True)
        sys.exit(1)
