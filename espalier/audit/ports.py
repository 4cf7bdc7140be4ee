"""Which ports a machine shows to the control machine and its neighbours, against the topology."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espalier.audit.rows import Row
from espalier.inventory.site import Site
from espalier.wiring.firewall import (
    Opening,
    Sources,
    firewall_settings,
    house_openings,
    service_openings,
    ssh_sources,
)

CHECK = "ports"
HERE = "the control machine"
# A fault with a name of its own: unlike IPv4, it may be missing where the scan begins.
NO_IPV6 = "no way over IPv6"


@dataclass(frozen=True)
class Openings:
    """What is open on a machine, and for whom: what answers there, and what may."""

    services: Sequence[Opening]
    house: Sequence[Opening]
    ssh: Sources
    ssh_ports: Sequence[int]

    def required(self, source: str) -> set[int]:
        """The TCP ports that have to answer somebody with this address."""
        ssh = set(self.ssh_ports) if _has(self.ssh, source) else set()
        return ssh | _ports(self.services, source)

    def allowed(self, source: str) -> set[int]:
        """The TCP ports that may answer: on those of hosts.yml perhaps nothing listens."""
        return self.required(source) | _ports(self.house, source)


def openings(
    site: Site, machine: str, readers: Iterable[str], ssh_ports: Sequence[int]
) -> Openings:
    """What a machine's firewall opens, by the topology and by hosts.yml."""
    placed = site.topology["machines"][machine]
    firewall = firewall_settings(site.settings.get(machine, {}).get("firewall"))
    return Openings(
        service_openings(placed["access"], placed["services"], readers),
        house_openings(firewall),
        ssh_sources(firewall),
        ssh_ports,
    )


def row(origin: str, scanned: Mapping[str, Any], expected: Openings, source: str) -> Row:
    """The row of one scan: a port that answers and need not, or does not and has to, is a fault.

    Args:
        origin: who scanned: a machine, or HERE.
        scanned: the answer of `espalier_machine.audit.scan`.
        expected: what is open on the machine.
        source: the address from which the machine saw the scan come.
    """
    found = set(scanned["open"])
    required, allowed = expected.required(source), expected.allowed(source)
    faults = [str(port) for port in sorted(found - allowed)]
    faults += [f"no answer on {port}" for port in sorted(required - found)]
    over = "IPv6" if ":" in scanned["address"] else "IPv4"
    return Row(
        CHECK,
        scanned["machine"],
        f"from {origin}, {over}",
        _list(found),
        _list(required | (allowed & found)),
        tuple(faults),
    )


def not_over_ipv6(origin: str, machine: str) -> Row:
    """The row of a scan to whose beginning there is no IPv6, though the machine has an address."""
    found = f"no way from {origin} over IPv6"
    return Row(CHECK, machine, f"from {origin}, IPv6", found, "a scan", (NO_IPV6,))


def _list(ports: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ports))) or "none"


def _ports(openings: Sequence[Opening], source: str) -> set[int]:
    return {one["port"] for one in openings if one["protocol"] == "tcp" and _has(one, source)}


def _has(networks: Sources | Opening, source: str) -> bool:
    address = ipaddress.ip_address(source)
    known = networks["ip"] if address.version == 4 else networks["ip6"]
    return any(address in ipaddress.ip_network(one) for one in known)
