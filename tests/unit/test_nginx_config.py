"""The configuration of nginx, as the role renders it from every kind of input: what gixy finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from espalier.audit import nginx, tools
from tests.unit.nginx_configs import (
    ELSEWHERE,
    EVERYTHING,
    MACHINE,
    OWN,
    PROXIED,
    SOCKET,
    inputs,
    render,
)

# What the topology and project.yml can make of the role's inputs.
SITES: dict[str, dict[str, Any]] = {
    "one machine": {},
    "an address": {"nginx_domains": ["203.0.113.9"]},
    "behind a proxy": {"nginx_trusted_proxies": ["10.9.0.0/24"], **EVERYTHING},
    "everything": EVERYTHING,
    "web and app": {**EVERYTHING, **PROXIED, "nginx_upstreams": OWN + ELSEWHERE},
    "in the clear yet": {**PROXIED, "nginx_proxy_plain_port": 8080, "nginx_upstreams": SOCKET},
    "web alone": {
        **MACHINE,
        "nginx_upstreams": ELSEWHERE,
        "nginx_static_directory": "",
        "nginx_media_store": "127.0.0.1:8490",
        "nginx_login_paths": [],
    },
    "app alone": {**PROXIED, "nginx_listen": [], "nginx_upstreams": []},
}
SITES_OF_RELEASE = [(release, name) for release in ("bookworm", "trixie") for name in SITES]


def name_of(release: str, site: str) -> str:
    return f"{release}-{site.replace(' ', '-')}"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a configuration of each site on each release of Debian."""
    directory = tmp_path_factory.mktemp("nginx")
    (directory / "maintenance.map").write_text("")
    sites = {}
    for release, site in SITES_OF_RELEASE:
        http3 = {"nginx_http3": release == "trixie" and site != "an address"}
        sites[name_of(release, site)] = inputs(release, {**SITES[site], **http3})
    render(directory, sites)
    return directory


@pytest.mark.parametrize(("release", "site"), SITES_OF_RELEASE)
def test_gixy_finds_nothing(rendered: Path, release: str, site: str) -> None:
    config = rendered / f"{name_of(release, site)}.conf"
    text = config.read_text().replace(
        "/etc/nginx/maintenance.map", str(rendered / "maintenance.map")
    )
    config.write_text(text)
    (row,) = nginx.rows("", tools.run("gixy", *nginx.arguments(str(config))))
    assert (row.found, row.result) == ("nothing", "ok")
