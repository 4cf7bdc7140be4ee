"""Workers, the web server in front, and hosts that Django answers to."""

from __future__ import annotations

import pytest

from espalier.wiring.django import (
    allowed_hosts,
    csp_environment,
    front,
    insight_environment,
    quiet_environment,
    secret_key_environment,
    site_environment,
    worker_count,
)


@pytest.mark.parametrize(
    ("cores", "memory_mb", "workers"),
    [
        pytest.param(4, 2048, 5, id="one a core and one to spare"),
        pytest.param(32, 1500, 10, id="as many as the memory holds"),
        pytest.param(4, 100, 2, id="never fewer than two"),
        pytest.param(4, -30, 2, id="redis took it all"),
    ],
)
def test_workers_follow_cores_as_far_as_memory_goes(
    cores: int, memory_mb: int, workers: int
) -> None:
    assert worker_count(cores, memory_mb) == workers


def test_front_is_the_proxy_where_there_is_one() -> None:
    nginx = [{"address": "*", "port": 80}, {"address": "*", "port": 443}]
    proxy = [{"address": "10.0.0.2", "port": 8443}]
    assert front({"nginx": nginx}) == "https://127.0.0.1"
    assert front({"nginx": nginx, "app_proxy": proxy}) == "https://10.0.0.2:8443"


def test_only_an_ipv6_address_is_bracketed() -> None:
    assert allowed_hosts(["shop.example", "2001:db8::1"]) == "shop.example,[2001:db8::1]"


def test_settings_that_read_the_sites_address_get_it() -> None:
    found = site_environment(["shop.example", "2001:db8::1"])
    assert found["ESPALIER_ALLOWED_HOSTS"] == "shop.example,[2001:db8::1]"
    assert found["ESPALIER_SITE_URL"] == "https://shop.example"
    assert found["ESPALIER_SITE_ORIGINS"] == "https://shop.example,https://[2001:db8::1]"
    assert found["ESPALIER_SITE_DOMAIN"] == "shop.example"
    assert found["ESPALIER_DEBUG"] == "False"


def test_a_wildcard_is_written_as_django_has_it() -> None:
    found = site_environment(["shop.example", "*.shop.example"])
    assert found["ESPALIER_ALLOWED_HOSTS"] == "shop.example,.shop.example"
    assert found["ESPALIER_SITE_ORIGINS"] == "https://shop.example,https://*.shop.example"


def test_a_policy_that_is_tried_is_told_where_it_is_stated() -> None:
    assert csp_environment("report") == {"ESPALIER_CSP": "report"}
    assert csp_environment("") == {}


def test_quiet_is_told_where_it_is_stated() -> None:
    assert quiet_environment(True) == {"ESPALIER_QUIET": "1"}
    assert quiet_environment(False) == {}


def test_insight_is_told_where_it_is_on() -> None:
    assert insight_environment(True) == {"ESPALIER_INSIGHT": "1"}
    assert insight_environment(False) == {}


def test_keys_of_before_are_named_only_where_there_are_any() -> None:
    assert secret_key_environment("a", ["", ""]) == {"SECRET_KEY": "a", "ESPALIER_SECRET_KEY": "a"}
    assert secret_key_environment("a", ["b", "c"]) == {
        "SECRET_KEY": "a",
        "SECRET_KEY_FALLBACKS": "b,c",
        "ESPALIER_SECRET_KEY": "a",
        "ESPALIER_SECRET_KEY_FALLBACKS": "b,c",
    }
