"""What tests of nginx' configuration share: inputs of the role, and what it renders from them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def inputs(release: str, site: dict[str, Any]) -> dict[str, Any]:
    """The role's inputs on a release of Debian, with a site's own on top."""
    required = {
        "nginx_domains": NAMES,
        "nginx_upstreams": SOCKET,
        "nginx_static_directory": "/srv/shop/static",
        "nginx_media_directory": "/srv/shop/media",
        "ansible_managed": "Written by Espalier.",
        "ansible_facts": {"distribution_release": release},
    }
    return {**required, **site}


def render(directory: Path, sites: dict[str, dict[str, Any]]) -> None:
    """Write NAME.conf into a directory, for the inputs of each name."""
    arguments = [str(KIT / "roles/nginx"), str(directory), json.dumps(sites)]
    done = subprocess.run(
        [sys.executable, "-c", RENDER, *arguments],
        capture_output=True,
        text=True,
        env={**plain_environment(), "ANSIBLE_CONFIG": str(KIT / "ansible.cfg")},
        cwd=KIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
