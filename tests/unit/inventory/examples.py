"""Machines and duties that the tests of this directory share, and maps as readable lines."""

from __future__ import annotations

from typing import Any


def machines(*names: str) -> dict[str, dict[str, str]]:
    """Return machines at 10.0.0.1, 10.0.0.2, … and in public at 203.0.113.1, …."""
    return {
        name: {"address": f"10.0.0.{n}", "public_address": f"203.0.113.{n}"}
        for n, name in enumerate(names, 1)
    }


def on_one(*extra: str) -> dict[str, list[str]]:
    """Return the duties of one VPS that does everything."""
    return {duty: ["vps1"] for duty in ("web", "app", "db", *extra)}


def sentences(result: dict[str, Any]) -> list[str]:
    """Return each link as one readable line."""
    return [
        f"{at['source']['service']}@{at['source']['machine']} -> "
        f"{at['target']['service']}@{at['target']['machine']} "
        f"{at['address']}:{at['port']} {at['purpose']}"
        for at in result["links"]
    ]


def running(result: dict[str, Any]) -> dict[str, list[str]]:
    """Return the services that run somewhere."""
    return {service: names for service, names in result["services"].items() if names}


SIX = machines("web1", "app1", "app2", "db1", "db2", "cache1")
SIX_DUTIES = {"web": ["web1"], "app": ["app1", "app2"], "db": ["db1", "db2"], "cache": ["cache1"]}
