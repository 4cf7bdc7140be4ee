"""The rules for what the project's user connects to, with literal addresses and times."""

from __future__ import annotations

import pytest

from espalier_machine.common.targets import split_target
from espalier_machine.egress import cli
from espalier_machine.egress.rules import accept, nameservers, remember, ruleset


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("smtp.example.com:587", "smtp.example.com", 587),
        ("api.example.com", "api.example.com", None),
        ("203.0.113.9", "203.0.113.9", None),
        ("203.0.113.9/24:443", "203.0.113.0/24", 443),
        ("2001:db8::/32", "2001:db8::/32", None),
        ("[2001:db8::7]:443", "2001:db8::7", 443),
    ],
)
def test_a_target_is_a_host_and_perhaps_a_port(text: str, host: str, port: int | None) -> None:
    assert split_target(text) == (host, port)


@pytest.mark.parametrize("text", ["", "a b", "a:0", "a:65536", "300.1.1.1", "-x", "a:b", "[::1"])
def test_all_else_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        split_target(text)


def test_an_address_is_remembered_for_an_hour_after_its_name_led_there() -> None:
    seen = {"a.example": {"192.0.2.1": 1000.0, "192.0.2.2": 4000.0}, "gone.example": {"::1": 1.0}}
    assert remember(seen, {"a.example": ["192.0.2.3"]}, 5000.0) == {
        "a.example": {"192.0.2.2": 4000.0, "192.0.2.3": 5000.0}
    }
    # Nothing found: DNS may be down.
    assert remember(seen, {"a.example": []}, 9000.0) == {"a.example": seen["a.example"]}


def test_name_servers_are_those_of_resolv_conf() -> None:
    text = "search x\nnameserver 192.0.2.53\n# nameserver 1.1.1.1\nnameserver fe80::1%eth0\n"
    assert nameservers(text) == ["192.0.2.53", "fe80::1"]


def test_a_port_is_that_of_both_protocols() -> None:
    assert accept("192.0.2.0/24", None) == "ip daddr 192.0.2.0/24 accept"
    assert accept("2001:db8::7", 443) == (
        "ip6 daddr 2001:db8::7 meta l4proto { tcp, udp } th dport 443 accept"
    )


def test_the_refusal_is_the_last_rule() -> None:
    lines = [line.strip() for line in ruleset(999, 998, ["192.0.2.53"], []).splitlines()]
    assert lines[:2] == ["table inet espalier_egress", "delete table inet espalier_egress"]
    assert lines[5:7] == ["meta skuid != 999 accept", "meta skgid 998 accept"]
    assert "ip daddr 192.0.2.53 meta l4proto { tcp, udp } th dport 53 accept" in lines
    assert lines[-3] == "counter reject with icmpx admin-prohibited"


def test_only_names_are_looked_up() -> None:
    assert cli.names(["b.example:1", "a.example", "192.0.2.1", "::1"]) == ["a.example", "b.example"]
