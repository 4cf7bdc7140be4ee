"""The inventory of `espalier up`: what `-e lab` means until the next one."""

from __future__ import annotations

from pathlib import Path

import yaml

from espalier import paths
from espalier.inventory.environments import is_inventory
from espalier.inventory.listing import read_machines
from espalier.lab import site

SHOP = {"directory": "/home/anna/shop", "environment": {"TOKEN": "a secret"}}


def test_lab_of_an_installed_kit_is_that_of_the_clone_with_another_project(tmp_path: Path) -> None:
    lab = site.prepare(SHOP, 3072, tmp_path / "lab")
    (machine,) = read_machines(lab).values()
    (clone,) = read_machines(paths.INVENTORIES / "lab").values()
    assert machine["project"] == SHOP
    assert machine["memory_mb"] == 3072
    for same in ("ansible_host", "lab", "topology", "cores"):
        assert machine[same] == clone[same]


def test_project_lasts_until_the_next_up_and_memory_until_down(tmp_path: Path) -> None:
    site.prepare(SHOP, 3072, tmp_path / "lab")
    lab = site.prepare({"package": "wagtail"}, None, tmp_path / "lab")
    (machine,) = read_machines(lab).values()
    assert machine["project"] == {"package": "wagtail"}
    assert machine["memory_mb"] == 3072
    site.prepare(None, None, lab)
    (machine,) = read_machines(lab).values()
    assert "project" not in machine  # in the clone, that of the example
    site.reset(lab)
    assert not is_inventory(lab), "`-e lab` says that there is none"
    site.prepare(SHOP, None, lab)
    (machine,) = read_machines(lab).values()
    assert machine["memory_mb"] == 1024


def test_what_may_hold_a_secret_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    lab = site.prepare(SHOP, None, tmp_path / "lab")
    file = lab / "group_vars/all/up.yml"
    assert file.stat().st_mode & 0o077 == 0
    assert yaml.safe_load(file.read_text())["project"] == SHOP
