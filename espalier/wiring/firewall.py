"""What a machine's firewall opens: the topology's links, visitors, and what the house wants."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from espalier.inventory.machine_settings.check import settings
from espalier.inventory.services import PLAIN_PROXY_PORT, SERVICES

EVERYBODY = ("0.0.0.0/0", "::/0")
# In the words of `access`, where it is no service: both are of PostgreSQL.
OF_POSTGRESQL = ("replication", "pooling")


class Sources(TypedDict):
    """Who may connect, as addresses and ranges: of IPv4 and of IPv6."""

    ip: list[str]
    ip6: list[str]


class Opening(Sources):
    """A port that is open, to whom, and what for."""

    protocol: str
    port: int
    why: str


def firewall_settings(value: Any) -> dict[str, Any]:
    """Return `firewall` of hosts.yml with its defaults: `ssh_from`, `allow` and `off`."""
    return settings("firewall", value).model_dump()


def sources(networks: Iterable[str]) -> Sources:
    """Sort addresses and ranges; those within another are left out, as nft takes none twice.

    Names are left out, too: of links there are none, as the topology refuses them.
    """
    found = sorted(
        {ipaddress.ip_network(text) for text in networks if _is_network(text)},
        key=lambda network: (network.version, network.network_address.packed, network.prefixlen),
    )
    kept: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for network in found:
        if not any(_is_within(network, other) for other in kept):
            kept.append(network)
    texts = [(network.version, _text(network)) for network in kept]
    return {
        "ip": [text for version, text in texts if version == 4],
        "ip6": [text for version, text in texts if version == 6],
    }


def service_openings(
    access: Mapping[str, Sequence[str]],
    services: Iterable[str],
    readers: Iterable[str] = (),
    http3: bool = False,
    plain: bool = False,
) -> list[Opening]:
    """Return what a machine opens for its services, by port.

    Args:
        access: access -> addresses of the clients, or `local` (see `PlacedMachine`).
        services: what runs on the machine.
        readers: the addresses of those who may read the primary database from elsewhere.
        http3: whether visitors may come by QUIC too.
        plain: whether web machines may still come to Django in the clear.
    """
    services = list(services)
    clients: dict[int, tuple[list[str], list[str]]] = {}
    found = [(_ports(name), name, addresses) for name, addresses in access.items()]
    if plain:
        found.append(((PLAIN_PROXY_PORT,), "app_proxy", access.get("app_proxy", [])))
    if "postgresql_primary" in services:
        found.append((SERVICES["postgresql_primary"].ports, "readers", list(readers)))
    for ports, why, addresses in found:
        remote = [address for address in addresses if address != "local"]
        for port in ports if remote else ():
            all_of_port, whys = clients.setdefault(port, ([], []))
            all_of_port += remote
            whys.append(why)
    visitors = [
        _opening("tcp", port, EVERYBODY, "visitors")
        for port in (SERVICES["nginx"].ports if "nginx" in services else ())
    ]
    if visitors and http3:
        visitors.append(_opening("udp", SERVICES["nginx"].second_port, EVERYBODY, "visitors"))
    return visitors + [
        _opening("tcp", port, addresses, ", ".join(whys))
        for port, (addresses, whys) in sorted(clients.items())
    ]


def house_openings(firewall: Mapping[str, Any]) -> list[Opening]:
    """Return what the house wants open, from the settings."""
    return [
        _opening(wanted["protocol"], wanted["port"], wanted["sources"] or EVERYBODY, "hosts.yml")
        for wanted in firewall["allow"]
    ]


def ssh_sources(firewall: Mapping[str, Any]) -> Sources:
    """Return who may reach SSH, from the settings."""
    return sources(firewall["ssh_from"] or EVERYBODY)


def own_sources(machines: Mapping[str, Mapping[str, Any]]) -> Sources:
    """Return the addresses of the site's own machines, from `topology.machines`."""
    own = [
        str(placed[key]) for placed in machines.values() for key in ("address", "public_address")
    ]
    return sources(own)


def shuts_out(firewall: Mapping[str, Any], client: str) -> bool:
    """Return whether SSH would be closed to an address; "" is one of nobody."""
    if firewall["off"] or not client:
        return False
    address = ipaddress.ip_address(client.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    allowed = ssh_sources(firewall)
    return not any(
        address in ipaddress.ip_network(network) for network in allowed["ip"] + allowed["ip6"]
    )


def _opening(protocol: str, port: int, networks: Iterable[str], why: str) -> Opening:
    return {"protocol": protocol, "port": port, **sources(networks), "why": why}


def _ports(access: str) -> tuple[int, ...]:
    """Return the ports of an access; those of nginx are its visitors'."""
    if access == "nginx":
        return ()
    return SERVICES["postgresql_primary" if access in OF_POSTGRESQL else access].ports


def _text(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """Return a range in its usual spelling: of one address, the address."""
    return str(network.network_address if network.num_addresses == 1 else network)


def _is_within(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    other: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> bool:
    return network.version == other.version and network.network_address in other


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
