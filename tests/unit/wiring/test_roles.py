"""What the roles' own files say."""

from __future__ import annotations

import pytest

from espalier.wiring.roles import argument_spec, role_default


def test_default_of_one_input() -> None:
    assert role_default("nginx_microcache_directory", "nginx") == "/run/nginx-microcache"
    with pytest.raises(KeyError, match="nginx_nothing"):
        role_default("nginx_nothing", "nginx")


def test_what_an_input_may_be() -> None:
    assert argument_spec("nginx")["nginx_microcache_directory"]["type"] == "path"
