"""A link of the topology, for tests that need one."""

from __future__ import annotations

from espalier.inventory.model import Link


def link(target: str, address: str, port: int, purpose: str, source: str = "app1/django") -> Link:
    """Return a link; both ends are written `machine/service`."""
    here, there = source.split("/"), target.split("/")
    return {
        "source": {"machine": here[0], "service": here[1]},
        "target": {"machine": there[0], "service": there[1]},
        "address": address,
        "port": port,
        "purpose": purpose,
    }
