"""Every role's interface is whole: defaults, argument specification and README say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def load(role: str, path: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "roles" / role / path).read_text()) or {}


def options(role: str) -> dict[str, Any]:
    return load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def test_there_are_roles() -> None:
    assert {"base", "postgresql", "django", "nginx"} <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_each_input_has_a_default_or_is_required(role: str) -> None:
    required = {name for name, option in options(role).items() if option.get("required")}
    assert set(load(role, "defaults/main.yml")) == set(options(role)) - required


@pytest.mark.parametrize("role", ROLES)
def test_each_required_input_stands_in_the_defaults_as_a_comment(role: str) -> None:
    text = (ROOT / "roles" / role / "defaults/main.yml").read_text()
    commented = set(re.findall(r"^# ([a-z_]+): ", text, re.MULTILINE))
    required = {name for name, option in options(role).items() if option.get("required")}
    assert commented == required


@pytest.mark.parametrize("role", ROLES)
def test_each_input_is_typed_described_and_has_its_default_in_one_place(role: str) -> None:
    for name, option in options(role).items():
        assert name.startswith(f"{role}_")
        assert {"type", "description"} <= option.keys(), name
        assert "default" not in option, name


@pytest.mark.parametrize("role", ROLES)
def test_readme_names_each_input(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text()
    assert [name for name in options(role) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("role", ROLES)
def test_role_can_retire_and_be_removed_and_knows_no_group_and_no_other_host(role: str) -> None:
    files = [p for p in (ROOT / "roles" / role).rglob("*.yml")]
    files += list((ROOT / "templates" / role).iterdir())
    for path in files:
        text = path.read_text()
        assert "hostvars" not in text, path
        assert not re.search(r"\bgroups\b", text), path
    if role not in ("base", "firewall", "ssh"):  # which every machine of the inventory keeps
        assert (ROOT / "roles" / role / "tasks/retire.yml").exists()
    assert (ROOT / "roles" / role / "tasks/remove.yml").exists()


def test_each_template_says_who_wrote_it_and_stays_short() -> None:
    templates = [p for p in (ROOT / "templates").rglob("*.j2")]
    assert templates
    for path in templates:
        text = path.read_text()
        included = path.parent.name == "nginx" and path.name != "nginx.conf.j2"
        included |= path.name == "sandbox.conf.j2"
        assert included or "ansible_managed" in text, path
        assert len(text.splitlines()) <= 75, path
