"""What is open on a machine, and for whom: two machines with a pool and its database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from espalier.audit import ports
from espalier.inventory.site import Site
from espalier.inventory.topology import compute

WEB, DB, HOME = "10.0.0.11", "10.0.0.12", "203.0.113.7"
MACHINES: Any = {
    "web1": {"address": WEB, "public_address": "198.51.100.11", "private": True},
    "db1": {"address": DB, "public_address": "198.51.100.12", "private": True},
}
DUTIES = {"web": ["web1"], "app": ["web1"], "db": ["db1"]}


def openings(machine: str, firewall: Any = None, readers: list[str] | None = None) -> Any:
    topology: Any = compute(MACHINES, DUTIES, ["pgbouncer"])
    settings = {machine: {"firewall": firewall}}
    site = Site(Path("inventories/x"), "shop", topology, {}, {}, {}, settings)
    return ports.openings(site, machine, readers or [], [22])


@pytest.mark.parametrize(
    ("machine", "source", "expected"),
    [
        ("web1", HOME, {22, 80, 443}),
        ("web1", DB, {22, 80, 443}),
        ("web1", "2001:db8::7", {22, 80, 443}),
        ("db1", HOME, {22}),
        ("db1", WEB, {22, 5432, 6432}),
        ("db1", "fe80::7", {22}),
    ],
)
def test_links_of_the_topology(machine: str, source: str, expected: set[int]) -> None:
    found = openings(machine)
    assert (found.required(source), found.allowed(source)) == (expected, expected)


def test_what_the_house_opens_need_not_answer() -> None:
    allow = [{"port": 25}, {"port": 53, "protocol": "udp"}, {"port": 8080, "from": WEB}]
    found = openings("db1", {"allow": allow, "ssh_from": [HOME]})
    assert (found.required(HOME), found.allowed(HOME)) == ({22}, {22, 25})
    assert (found.required(WEB), found.allowed(WEB)) == ({5432, 6432}, {25, 5432, 6432, 8080})


def test_readers_of_the_database() -> None:
    assert openings("db1", readers=["192.0.2.0/24"]).required("192.0.2.9") == {22, 5432}


def scanned(*found: int) -> dict[str, Any]:
    return {"machine": "db1", "address": DB, "open": list(found), "closed": 0, "filtered": 65530}


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ((22, 5432, 6432), "ok"),
        ((22, 5432, 6432, 7007), "FAILED: 7007"),
        ((22, 5432), "FAILED: no answer on 6432"),
        ((), "FAILED: no answer on 22, no answer on 5432, no answer on 6432"),
    ],
)
def test_scan_of_a_neighbour(found: tuple[int, ...], result: str) -> None:
    row = ports.row("web1", scanned(*found), openings("db1"), WEB)
    assert (row.what, row.expected, row.result) == (
        "from web1, IPv4",
        "22, 5432, 6432",
        result,
    )
