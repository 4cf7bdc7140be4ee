"""espalier diagram: a picture of what runs where, and who talks to whom."""

from __future__ import annotations

from pathlib import Path

import click

from espalier import diagram
from espalier.cli.command import Environment, environment_command
from espalier.inventory.listing import ListingError
from espalier.inventory.site import SiteError


@environment_command()
@click.argument("out", type=click.Path(path_type=Path), default="topology.svg")
def command(environment: Environment, out: Path) -> int:
    """Draw which service runs where.

    As OUT, an SVG (topology.svg by default). Needs Graphviz.
    """
    arguments = environment.vault_arguments()
    arguments += ["--ask-vault-pass"] if environment.options["ask_vault_pass"] else []
    try:
        topology = diagram.read_topology(environment.inventory, arguments)
        out.write_text(diagram.render(diagram.draw(topology)))
    except diagram.DiagramError as error:
        raise SiteError(str(error)) from error
    except OSError as error:
        raise SiteError(f"{out} cannot be written: {error.strerror}.", 2) from error
    except ListingError as error:
        raise SiteError(str(error), 2) from error
    click.echo(out)
    return 0
