"""The configuration of nginx, as the role renders it from every kind of input: what gixy finds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from espalier.audit import nginx, tools
from espalier.environment import plain_environment
from espalier.paths import KIT

NAMES = ["shop.example", "www.shop.example"]
SOCKET = [{"address": "/srv/shop/web.sock", "port": 0}]
ELSEWHERE = [{"address": "10.0.0.2", "port": 8443}, {"address": "10.0.0.3", "port": 8443}]
OWN = [{"address": "127.0.0.1", "port": 8443}]
MACHINE = {
    "nginx_machine_certificate": "/etc/espalier/tls/4f2a",
    "nginx_machine_trusted": "/etc/espalier/tls/authority.crt",
    "nginx_proxy_name": "django.espalier.internal",
}
PROXIED: dict[str, Any] = {
    "nginx_proxy_listen": [*OWN, {"address": "10.0.0.2", "port": 8443}],
    "nginx_proxy_clients": ["10.0.0.1"],
    "nginx_proxy_upstream": "/srv/shop/web.sock",
    **MACHINE,
}
EVERYTHING: dict[str, Any] = {
    "nginx_hsts": True,
    "nginx_csp_reports": True,
    "nginx_health_clients": ["10.0.0.9"],
    "nginx_microcache": [{"path": "/", "seconds": 1}, {"path": "/guide/", "seconds": 5}],
}
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

# Run apart, as Ansible reads its settings once in a process.
RENDER = """
import json, sys
from pathlib import Path
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
init_plugin_loader()
role, directory, sites = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
loader = DataLoader()
defaults, own = (
    loader.load_from_file(f"{role}/{part}/main.yml", trusted_as_template=True)
    for part in ("defaults", "vars")
)
template = trust_as_template("{{ lookup('ansible.builtin.template', 'nginx.conf.j2') }}")
for name, inputs in sites.items():
    templar = Templar(loader, {**defaults, **own, **inputs, "ansible_search_path": [role]})
    (directory / f"{name}.conf").write_text(templar.template(template))
"""


def name_of(release: str, site: str) -> str:
    return f"{release}-{site.replace(' ', '-')}"


def inputs_of(release: str, site: str) -> dict[str, Any]:
    required = {
        "nginx_domains": NAMES,
        "nginx_upstreams": SOCKET,
        "nginx_static_directory": "/srv/shop/static",
        "nginx_media_directory": "/srv/shop/media",
        "ansible_managed": "Written by Espalier.",
        "ansible_facts": {"distribution_release": release},
    }
    return {**required, **SITES[site], "nginx_http3": release == "trixie" and site != "an address"}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a configuration of each site on each release of Debian."""
    directory = tmp_path_factory.mktemp("nginx")
    (directory / "maintenance.map").write_text("")
    sites = {name_of(*one): inputs_of(*one) for one in SITES_OF_RELEASE}
    arguments = [str(KIT / "roles/nginx"), str(directory), json.dumps(sites)]
    done = subprocess.run(
        [sys.executable, "-c", RENDER, *arguments],
        capture_output=True,
        text=True,
        env={**plain_environment(), "ANSIBLE_CONFIG": str(KIT / "ansible.cfg")},
        cwd=KIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
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
