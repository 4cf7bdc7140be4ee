"""The text of the rules, and which addresses a name counts for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

TABLE = "inet espalier_egress"
# Seconds for which an address of a name stays allowed once the name does not lead there any more:
# many names lead to a few of their addresses at a time.
REMEMBERED = 3600


def remember(
    seen: Mapping[str, Mapping[str, float]], found: Mapping[str, Iterable[str]], now: float
) -> dict[str, dict[str, float]]:
    """Name -> address -> when it was last seen; what was seen before, and what was found `now`.

    A name that nothing was found for keeps all that it had.
    """
    return {
        name: {
            address: when
            for address, when in (dict(seen.get(name, {})) | dict.fromkeys(addresses, now)).items()
            if not addresses or now - when < REMEMBERED
        }
        for name, addresses in ((name, list(addresses)) for name, addresses in found.items())
    }


def nameservers(resolv_conf: str) -> list[str]:
    """The addresses of /etc/resolv.conf, without an interface behind them."""
    words = [line.split() for line in resolv_conf.splitlines()]
    return [line[1].partition("%")[0] for line in words if line[:1] == ["nameserver"] and line[1:]]


def accept(network: str, port: int | None) -> str:
    """The rule that lets packets to a network pass."""
    family = "ip6" if ipaddress.ip_network(network).version == 6 else "ip"
    to = f" meta l4proto {{ tcp, udp }} th dport {port}" if port else ""
    return f"{family} daddr {network}{to} accept"


def ruleset(
    user: int, build_group: int, servers: Iterable[str], allowed: Iterable[tuple[str, int | None]]
) -> str:
    """The table, which takes the place of the one before at once.

    Answers pass, and connections that were open. What is refused is told so, instead of waiting.
    """
    rules = [
        f"meta skuid != {user} accept",
        f"meta skgid {build_group} accept",
        'oif "lo" accept',
        "ct state established,related accept",
        *(accept(server, 53) for server in servers),
        *sorted({accept(network, port) for network, port in allowed}),
        "meta l4proto ipv6-icmp icmpv6 type { nd-neighbor-solicit, nd-router-solicit } accept",
        "counter reject with icmpx admin-prohibited",
    ]
    lines = "\n".join(f"        {rule}" for rule in rules)
    return (
        f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n    chain output {{\n"
        "        type filter hook output priority filter; policy accept;\n"
        f"{lines}\n    }}\n}}\n"
    )
