"""The tunnels of a machine: TLS between machines, for services that have none of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from espalier.inventory.model import Endpoint, PlacedMachine
from espalier.inventory.services import SERVICES, TUNNELS

# How often, a second later each time, who cannot be reached is asked again: a queue or a store that
# restarts is waited for. A cache is not: without it a page is slower, but not by seconds.
RETRIES = {"redis": 0, "queue": 5, "media": 5}


class Tunnel(TypedDict):
    """One end of a tunnel.

    Attributes:
        name: of its file and of its section: the service, and which end it is.
        is_entrance: whether clients on this machine enter here; else other machines' ends do.
        listens: where.
        to: the address and the port at the other side.
        retries: how often that is asked again if it cannot be reached.
    """

    name: str
    is_entrance: bool
    listens: list[Endpoint]
    to: Endpoint
    retries: int


def tunnels(machine: PlacedMachine) -> list[Tunnel]:
    """Return the ends of tunnels on a machine of the topology."""
    found: list[Tunnel] = []
    for service, tunnel in TUNNELS.items():
        links = [link for some in machine["links"].get(tunnel, {}).values() for link in some]
        for link in links[:1]:
            is_entrance = link["target"]["service"] == tunnel
            found.append(
                {
                    "name": f"{service}-{'entrance' if is_entrance else 'exit'}",
                    "is_entrance": is_entrance,
                    "listens": machine["listens"][tunnel],
                    "to": {"address": link["address"], "port": link["port"]},
                    "retries": RETRIES[service],
                }
            )
    return found


def plain_listens(
    service: str, listens: Sequence[Endpoint], clients: Sequence[str], address: str
) -> list[Endpoint]:
    """Return where a service with a tunnel listens while a run goes on.

    Versions before 0.13 had no tunnels: their clients come to the machine's address in the clear,
    until the run has led them to the tunnel.

    Args:
        service: one with a tunnel.
        listens: its endpoints in the topology.
        clients: the addresses of other machines that may still connect to it.
        address: the machine's own.
    """
    plain: Endpoint = {"address": address, "port": SERVICES[service].port}
    return [*listens, plain] if clients and plain not in listens else list(listens)


def tunnels_during_run(planned: Sequence[Tunnel], recorded: Sequence[Tunnel]) -> list[Tunnel]:
    """Return the ends that are there while a run goes on: those that leave are used until its end.

    Args:
        planned: of the topology.
        recorded: what the last run left.
    """
    names = {tunnel["name"] for tunnel in planned}
    return [*planned, *(tunnel for tunnel in recorded if tunnel["name"] not in names)]
