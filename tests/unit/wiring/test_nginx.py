"""Where nginx finds Django, and the names in its certificate."""

from __future__ import annotations

import ipaddress

import pytest

from espalier.wiring.nginx import are_names, certificate_names, hsts, proxy_ranges, upstreams

from .links import link


def test_django_on_the_same_machine_is_reached_by_the_project_s_socket() -> None:
    links = [
        link("web1/django", "web.sock", 0, "web", source="web1/nginx"),
        link("app2/app_proxy", "10.0.0.2", 8080, "web", source="web1/nginx"),
    ]
    assert upstreams(links, "/srv/shop/web.sock") == [
        {"address": "/srv/shop/web.sock", "port": 0},
        {"address": "10.0.0.2", "port": 8080},
    ]


def test_certificate_tells_addresses_from_names() -> None:
    domains = ["shop.example", "203.0.113.9", "2001:db8::1"]
    assert certificate_names(domains) == "DNS:shop.example,IP:203.0.113.9,IP:2001:db8::1"


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        (["shop.example", "www.shop.example"], True),
        (["203.0.113.9"], False),
        (["shop.example", "2001:db8::1"], False),
    ],
)
def test_who_may_ask_by_an_address_tells_no_name(domains: list[str], expected: bool) -> None:
    assert are_names(domains) is expected


@pytest.mark.parametrize(
    ("certificate", "said", "expected"),
    [
        ({}, None, False),
        ({"renewals": 0}, None, False),
        ({"renewals": 1}, None, True),
        ({"renewals": 1}, False, False),
        ({}, True, True),
    ],
)
def test_hsts_waits_for_a_renewal_unless_said(
    certificate: dict[str, object], said: bool | None, expected: bool
) -> None:
    assert hsts(certificate, said) is expected


def test_a_provider_stands_for_its_ranges() -> None:
    assert proxy_ranges(["198.51.100.7/32"]) == ["198.51.100.7/32"]
    ranges = proxy_ranges(["cloudflare", "198.51.100.7/32"])
    assert ranges[0] == "173.245.48.0/20"
    assert ranges[-1] == "198.51.100.7/32"
    assert len(ranges) == 23
    assert all(ipaddress.ip_network(one).is_global for one in ranges[:-1])
