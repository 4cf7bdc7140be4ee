"""What a machine's firewall opens, and to whom."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.wiring import firewall

ALL = {"ip": ["0.0.0.0/0"], "ip6": ["::/0"]}


def opening(port: int, why: str, *addresses: str) -> dict[str, Any]:
    """Give a TCP port that is open for IPv4 addresses; without any, for everybody."""
    found = {"ip": list(addresses), "ip6": []} if addresses else ALL
    return {"protocol": "tcp", "port": port, **found, "why": why}


def test_one_machine_is_open_for_visitors_alone() -> None:
    access = {"nginx": [], "django": [], "pgbouncer": [], "postgresql_primary": []}
    assert firewall.service_openings(
        access | {"replication": [], "pooling": ["local"]}, access
    ) == [
        opening(80, "visitors"),
        opening(443, "visitors"),
    ]


def test_quic_is_open_where_visitors_may_use_it() -> None:
    found = firewall.service_openings({"nginx": []}, ["nginx"], http3=True)
    assert found[-1] == {"protocol": "udp", "port": 443, **ALL, "why": "visitors"}
    assert firewall.service_openings({"django": []}, ["django"], http3=True) == []


def test_database_is_open_for_its_clients_alone() -> None:
    access = {
        "pgbouncer": ["10.0.0.3", "10.0.0.4"],
        "postgresql_primary": ["10.0.0.3"],
        "replication": ["10.0.0.6"],
        "pooling": ["local"],
    }
    found = firewall.service_openings(access, ["pgbouncer", "postgresql_primary"], ["192.0.2.0/24"])
    assert found == [
        opening(
            5432,
            "postgresql_primary, replication, readers",
            "10.0.0.3",
            "10.0.0.6",
            "192.0.2.0/24",
        ),
        opening(6432, "pgbouncer", "10.0.0.3", "10.0.0.4"),
    ]


def test_readers_are_of_the_primary() -> None:
    access = {"postgresql_replica": ["10.0.0.3"], "replication": []}
    found = firewall.service_openings(access, ["postgresql_replica"], ["192.0.2.7"])
    assert found == [opening(5432, "postgresql_replica", "10.0.0.3")]


def test_service_that_leaves_stays_open_until_then() -> None:
    access = {"app_proxy": ["10.0.0.1"], "django": [], "redis": ["10.0.0.3"], "queue": []}
    assert firewall.service_openings(access, ["app_proxy", "django", "nginx"]) == [
        opening(80, "visitors"),
        opening(443, "visitors"),
        opening(6379, "redis", "10.0.0.3"),
        opening(8443, "app_proxy", "10.0.0.1"),
    ]


def test_web_machines_may_come_in_the_clear_until_they_are_told_another_way() -> None:
    access = {"app_proxy": ["10.0.0.1"]}
    assert firewall.service_openings(access, ["app_proxy"], plain=True) == [
        opening(8080, "app_proxy", "10.0.0.1"),
        opening(8443, "app_proxy", "10.0.0.1"),
    ]


def test_what_the_house_wants() -> None:
    said = firewall.firewall_settings(
        {
            "allow": [
                {"port": 51820, "protocol": "udp", "from": ["198.51.100.7", "2001:db8::/32"]},
                {"port": 25},
            ]
        }
    )
    assert firewall.house_openings(said) == [
        {
            "protocol": "udp",
            "port": 51820,
            "ip": ["198.51.100.7"],
            "ip6": ["2001:db8::/32"],
            "why": "hosts.yml",
        },
        opening(25, "hosts.yml"),
    ]


def test_ranges_within_others_are_left_out() -> None:
    assert firewall.sources(
        ["10.1.0.0/16", "192.0.2.3", "192.0.2.2", "10.0.0.0/8", "10.2.0.1", "2001:db8::1", "web1"]
    ) == {
        "ip": ["10.0.0.0/8", "192.0.2.2", "192.0.2.3"],
        "ip6": ["2001:db8::1"],
    }


def test_own_machines_by_both_addresses_without_names() -> None:
    machines = {
        "web1": {"address": "10.0.0.1", "public_address": "203.0.113.1"},
        "gate": {"address": "gate.example", "public_address": "2001:db8::9"},
    }
    assert firewall.own_sources(machines) == {
        "ip": ["10.0.0.1", "203.0.113.1"],
        "ip6": ["2001:db8::9"],
    }


@pytest.mark.parametrize(
    ("said", "client", "is_out"),
    [
        ({}, "203.0.113.7", False),
        ({"ssh_from": "203.0.113.0/24"}, "203.0.113.7", False),
        ({"ssh_from": "203.0.113.0/24"}, "::ffff:203.0.113.7", False),
        ({"ssh_from": "203.0.113.0/24"}, "198.51.100.7", True),
        ({"ssh_from": "203.0.113.0/24"}, "2001:db8::7", True),
        ({"ssh_from": "fe80::/10"}, "fe80::1%eth0", False),
        ({"ssh_from": "203.0.113.0/24", "off": True}, "198.51.100.7", False),
        # The control machine is the machine.
        ({"ssh_from": "203.0.113.0/24"}, "", False),
    ],
)
def test_lock_out_is_seen_before(said: dict[str, Any], client: str, is_out: bool) -> None:
    assert firewall.shuts_out(firewall.firewall_settings(said), client) is is_out
