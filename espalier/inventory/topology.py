"""The topology: which service runs on which machine, and who talks to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espalier.inventory.addresses import check_reachable
from espalier.inventory.checks import (
    check_backup_machine,
    check_duties,
    check_groups,
    check_machines,
    check_tier_needs,
    check_tiers,
)
from espalier.inventory.links import connect
from espalier.inventory.model import Endpoint, Link, Machine, PlacedMachine, Topology
from espalier.inventory.names import check_slots
from espalier.inventory.placement import place, unique
from espalier.inventory.services import DUTIES, POSTGRESQL_SERVICES, SERVICES, TUNNELS


def compute(
    machines: Mapping[str, Machine],
    duties: Mapping[str, Sequence[str]],
    tiers: Sequence[str],
    backup: str = "",
) -> Topology:
    """Compute the topology from what the user wrote.

    Args:
        machines: every machine by name, in the order of `hosts.yml`.
        duties: every group the user wrote, with its machines in order. Groups that are no duty
            are ignored, but for names that are reserved or look like a slip.
        tiers: the tiers that are on, in any order.
        backup: where copies of the data go (s3, sftp, machine), "" for nowhere.

    Returns:
        The topology; its `services` has every known service, with no machine when it is off.

    Raises:
        InventoryError: the input makes no sense; nothing was changed.
    """
    check_machines(machines)
    check_groups(machines, duties)
    ladder = check_tiers(tiers)
    members = {duty: list(dict.fromkeys(duties.get(duty, ()))) for duty in DUTIES}
    check_duties(members, duties)
    check_tier_needs(ladder, members)
    if backup == "machine":
        check_backup_machine(members, duties)
    services = place(ladder, members, backup)
    check_slots(services["postgresql_replica"])
    check_reachable(machines, services)
    links = connect(machines, services)
    return {
        "tiers": ladder,
        "services": services,
        "machines": {
            name: _placed(name, machine, members, services, links, machines)
            for name, machine in machines.items()
        },
        "links": links,
    }


def _placed(
    name: str,
    machine: Machine,
    members: Mapping[str, Sequence[str]],
    services: Mapping[str, Sequence[str]],
    links: Sequence[Link],
    machines: Mapping[str, Machine],
) -> PlacedMachine:
    """Return one machine's part of the map; all but its services follows from the links."""
    here = [service for service in SERVICES if name in services[service]]
    to_here = [link for link in links if link["target"]["machine"] == name]
    from_here = [link for link in links if link["source"]["machine"] == name]
    incoming = {
        service: [
            link
            for link in to_here
            if link["target"]["service"] == service and link["source"]["machine"] != name
        ]
        for service in here
    }
    return {
        "address": machine["address"],
        "public_address": machine["public_address"],
        "duties": [duty for duty in DUTIES if name in members[duty]],
        "services": here,
        "listens": {
            service: _tunnel_listens(service, to_here)
            if service in TUNNELS.values()
            else _listens(service, machine, incoming[service], services)
            for service in here
        },
        "clients": {
            service: unique(machines[link["source"]["machine"]]["address"] for link in links_in)
            for service, links_in in incoming.items()
        },
        "access": _access(name, here, to_here, machines),
        "links": {service: _by_purpose(service, from_here) for service in here},
    }


def _listens(
    service: str,
    machine: Machine,
    incoming: Sequence[Link],
    services: Mapping[str, Sequence[str]],
) -> list[Endpoint]:
    """Return the endpoints of a service: its local one, and those other machines may use."""
    fixed = SERVICES[service]
    local = [(fixed.local, fixed.port)] if fixed.local else []
    if service == "nginx":
        local.append((fixed.local, fixed.second_port))
    remote = [(link["address"], link["port"]) for link in incoming]
    # Clients of versions before 0.13 came to redis there, and it cannot leave an address without a
    # restart. What nobody may use any more, its unit and the firewall close.
    has_tunnel = service in TUNNELS and bool(services[TUNNELS[service]])
    if fixed.private and (machine.get("private") or has_tunnel):
        remote.append((machine["address"], fixed.port))
    return [{"address": address, "port": port} for address, port in dict.fromkeys(local + remote)]


def _tunnel_listens(service: str, to_here: Sequence[Link]) -> list[Endpoint]:
    """Return the endpoints of a tunnel's end: for clients on its machine, or for the other ends."""
    links = [link for link in to_here if link["target"]["service"] == service]
    found = dict.fromkeys((link["address"], link["port"]) for link in links)
    return [{"address": address, "port": port} for address, port in found]


def _access(
    name: str, here: Sequence[str], to_here: Sequence[Link], machines: Mapping[str, Machine]
) -> dict[str, list[str]]:
    """Return who may use what of a machine: access -> addresses, or `local` for the machine itself.

    A service needs no permission for clients on its own machine; only PostgreSQL tells a pool
    there from the application.
    """
    access: dict[str, list[str]] = {service: [] for service in here}
    if set(here) & set(POSTGRESQL_SERVICES):
        access |= {"replication": [], "pooling": []}
    for link in to_here:
        local = link["source"]["machine"] == name
        pooling = link["source"]["service"] == "pgbouncer"
        if local and not pooling:
            continue
        if link["purpose"] == "replication":
            key = "replication"
        else:
            key = "pooling" if pooling else link["target"]["service"]
        client = "local" if local else machines[link["source"]["machine"]]["address"]
        access[key] = unique([*access[key], client])
    return access


def _by_purpose(service: str, from_here: Sequence[Link]) -> dict[str, list[Link]]:
    """Return the links that go out from a service of this machine, by their purpose."""
    found: dict[str, list[Link]] = {}
    for link in from_here:
        if link["source"]["service"] == service:
            found.setdefault(link["purpose"], []).append(link)
    return found
