"""When a machine upgrades and reboots, as the files say that the role `base` writes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from espalier.environment import plain_environment
from espalier.paths import KIT

LISTS = "/etc/systemd/system/apt-daily.timer.d/espalier.conf"
UPGRADE = "/etc/systemd/system/apt-daily-upgrade.timer.d/espalier.conf"
UNATTENDED = "/etc/apt/apt.conf.d/52espalier-unattended"
ONE = {"vps1": {"services": ["nginx", "django", "postgresql_primary"]}}
TWO = {"db1": {"services": ["postgresql_primary"]}, "web1": {"services": ["nginx", "django"]}}
REBOOT = {"window": "23:30-00:30", "reboot": True}
SITES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "one": ("vps1", ONE, {}),
    "one, reboots": ("vps1", ONE, REBOOT),
    "web of two": ("web1", TWO, REBOOT),
    "database of two": ("db1", TWO, REBOOT),
}

# Run apart, as Ansible reads its settings once in a process.
RENDER = """
import json, sys
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
init_plugin_loader()
sites, paths = map(json.loads, sys.argv[1:])
loader, known = DataLoader(), {}
for file in ("roles/base/defaults/main.yml", "roles/base/vars/main.yml",
             "playbooks/group_vars/all/base.yml"):
    known |= loader.load_from_file(file, trusted_as_template=True)
found = {}
for name, (machine, machines, updates) in sites.items():
    inputs = {"inventory_hostname": machine, "topology": {"machines": machines}, "updates": updates}
    inputs |= {"ansible_managed": "Written by Espalier.", "ansible_search_path": ["roles/base"]}
    templar = Templar(loader, known | inputs)
    files = {one["path"]: one["content"] for one in known["__base_files"]}
    found[name] = {path: templar.template(files[path]) for path in paths}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[str, str]]:
    """The files of each site, by their paths."""
    arguments = [json.dumps(SITES), json.dumps([LISTS, UPGRADE, UNATTENDED])]
    done = subprocess.run(
        [sys.executable, "-c", RENDER, *arguments],
        capture_output=True,
        text=True,
        env={**plain_environment(), "ANSIBLE_CONFIG": str(KIT / "ansible.cfg")},
        cwd=KIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("site", "lists", "upgrade"),
    [
        ("one", "02:00", "03:00"),
        ("one, reboots", "22:30", "23:30"),
        ("web of two", "22:30", "23:30"),
        ("database of two", "22:30", "00:00"),
    ],
)
def test_timers(rendered: dict[str, dict[str, str]], site: str, lists: str, upgrade: str) -> None:
    for path, when, delay in ((LISTS, lists, "30min"), (UPGRADE, upgrade, "0")):
        stated = [line for line in rendered[site][path].splitlines() if not line.startswith("#")]
        assert stated == [
            "[Timer]",
            "OnCalendar=",  # Debian's own is gone
            f"OnCalendar=*-*-* {when}",
            f"RandomizedDelaySec={delay}",
            "Persistent=false",
        ]


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("one", {"": "false"}),
        ("one, reboots", {"": "true", "-Time": "00:15", "-WithUsers": "true"}),
        ("web of two", {"": "true", "-Time": "23:52", "-WithUsers": "true"}),
        ("database of two", {"": "true", "-Time": "00:22", "-WithUsers": "true"}),
    ],
)
def test_reboots_only_where_they_are_allowed(
    rendered: dict[str, dict[str, str]], site: str, expected: dict[str, str]
) -> None:
    text = rendered[site][UNATTENDED]
    found = re.findall(r'^Unattended-Upgrade::Automatic-Reboot(\S*) "(.*)";$', text, re.MULTILINE)
    assert dict(found) == expected
