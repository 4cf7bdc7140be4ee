"""The example inventory and the reference say what the schema says."""

from __future__ import annotations

import pytest

from espalier import paths
from espalier.project.schema import Project, check


def test_the_example_inventory_is_valid():
    yaml = pytest.importorskip("yaml")
    path = paths.KIT / "inventories/example/group_vars/all/project.yml"
    check(yaml.safe_load(path.read_text())["project"])


def test_the_reference_and_the_example_name_every_key():
    reference = (paths.KIT / "docs" / "project.md").read_text()
    example = (paths.KIT / "inventories/example/group_vars/all/project.yml").read_text()
    for key in Project.model_fields:
        assert f"`{key}`" in reference
        assert f"{key}:" in example
