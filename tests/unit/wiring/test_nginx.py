"""Where nginx finds Django, and the names in its certificate."""

from __future__ import annotations

import ipaddress

from espalier.wiring.nginx import certificate_names, proxy_ranges, upstreams

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


def test_a_provider_stands_for_its_ranges() -> None:
    assert proxy_ranges(["198.51.100.7/32"]) == ["198.51.100.7/32"]
    ranges = proxy_ranges(["cloudflare", "198.51.100.7/32"])
    assert ranges[0] == "173.245.48.0/20"
    assert ranges[-1] == "198.51.100.7/32"
    assert len(ranges) == 23
    assert all(ipaddress.ip_network(one).is_global for one in ranges[:-1])
