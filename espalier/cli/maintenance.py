"""espalier maintenance: close the site for maintenance, or open it."""

from __future__ import annotations

import click

from espalier.cli.command import site_command
from espalier.inventory.remote import reach
from espalier.inventory.site import Site


@site_command()
@click.argument("state", type=click.Choice(["on", "off", "status"]))
@click.argument("path", default="/")
@click.option(
    "--retry-after", type=int, default=600, show_default=True, help="For visitors, in seconds."
)
def command(site: Site, state: str, path: str, retry_after: int) -> int:
    """Close the site for maintenance, or open it again.

    All of it, or what lies below PATH.
    """
    words = ["maintenance", state, path]
    if state == "on":
        words.append(str(retry_after))
    states = {"on": f"{path} is closed", "off": f"{path} is open"}
    statuses = []
    with reach(site) as remote:
        for machine in site.machines("nginx"):
            status, output, errors = remote.run(machine, words)
            written = (output + errors).strip()
            click.echo(f"{machine}: {written or states.get(state, 'everything is open')}")
            statuses.append(status)
    return max(statuses)
