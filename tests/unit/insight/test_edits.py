"""Edits, applied to files as a person would: line for line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from espalier.insight import edits
from espalier.insight.advice import Edit
from espalier.insight.recording import SiteFacts
from espalier.inventory.topology import compute
from espalier.project.schema import check

HOSTS = """\
all:
  vars:
    tiers: []
  hosts:
    vps1: {ansible_host: 10.0.0.10, private_address: 10.0.0.10}
  children:
    web: {hosts: {vps1: }}
    app: {hosts: {vps1: }}
    db: {hosts: {vps1: }}
"""
PROJECT = """\
project:
  directory: .
  name: shop
"""


def facts(**changes: Any) -> SiteFacts:
    """The site of that file."""
    given: dict[str, Any] = {
        "project": "shop",
        "tiers": [],
        "duties": {"web": ["vps1"], "app": ["vps1"], "db": ["vps1"]},
        "services": {"nginx": ["vps1"], "django": ["vps1"], "postgresql_primary": ["vps1"]},
        "addresses": {"vps1": "10.0.0.10"},
    }
    return SiteFacts(**(given | changes))


def typed(text: str, made: list[Edit]) -> str:
    """A file after somebody typed the lines of some edits."""
    lines = text.splitlines()
    for edit in made:
        if edit.removed:
            at = lines.index(edit.removed[0])
            assert lines[at : at + len(edit.removed)] == list(edit.removed)
            lines[at : at + len(edit.removed)] = edit.added
        else:
            at = next(i for i, line in enumerate(lines) if line.strip() == edit.below.strip())
            lines[at + 1 : at + 1] = edit.added
    return "\n".join(lines) + "\n"


def services(text: str) -> dict[str, list[str]]:
    """Which service runs where, by the kit's own rules."""
    site = yaml.safe_load(text)["all"]
    machines = {
        name: {"address": one["private_address"], "public_address": one["ansible_host"]}
        for name, one in site["hosts"].items()
    }
    duties = {name: list(group["hosts"]) for name, group in site["children"].items()}
    placed: dict[str, list[str]] = compute(machines, duties, site["vars"]["tiers"])["services"]
    return placed


def test_a_second_app_machine_runs_django() -> None:
    name, more = edits.machine_for(facts(), "app")
    after = typed(HOSTS, [*edits.tier(facts(), "app_servers"), *more])
    assert name == "app2"
    assert services(after)["django"] == ["vps1", "app2"]
    assert services(after)["postgresql_primary"] == ["vps1"]


def test_django_moves_to_a_machine_of_its_own() -> None:
    after = typed(HOSTS, edits.machine_instead(facts(), "app")[1])
    assert services(after)["django"] == ["app2"]
    assert services(after)["postgresql_primary"] == ["vps1"]


def test_a_replica_and_an_app_machine_together_are_one_line_of_tiers() -> None:
    made = edits.merged(
        [
            *edits.tier(facts(), "app_servers"),
            *edits.machine_for(facts(), "app")[1],
            *edits.tier(facts(), "replicas"),
            *edits.machine_for(facts(), "db")[1],
        ]
    )
    after = services(typed(HOSTS, made))
    assert after["django"] == ["vps1", "app2"]
    assert after["postgresql_replica"] == ["db2"]


def test_a_machine_without_services_is_taken_before_a_new_one() -> None:
    site = facts(addresses={"vps1": "10.0.0.10", "spare": "10.0.0.11"})
    name, made = edits.machine_for(site, "app")
    assert name == "spare"
    assert [edit.values for edit in made] == [
        [("all.children.app.hosts", {"vps1": None, "spare": None})]
    ]


def test_two_new_machines_have_two_addresses() -> None:
    made = edits.merged(
        [*edits.machine_for(facts(), "app")[1], *edits.machine_for(facts(), "db")[1]]
    )
    addresses = [
        variables["private_address"]
        for edit in made
        for _, variables in edit.values
        if isinstance(variables, dict) and "private_address" in variables
    ]
    assert addresses == ["10.0.0.11", "10.0.0.12"]


def test_a_tier_that_is_on_needs_no_edit() -> None:
    assert edits.tier(facts(tiers=["redis"]), "redis") == []


@pytest.mark.parametrize(
    ("now", "pages"),
    [
        ({}, [{"path": "/guide/", "seconds": 10}]),
        ({"/news/": 5.0}, [{"path": "/news/", "seconds": 5}, {"path": "/guide/", "seconds": 10}]),
    ],
)
def test_the_microcache_is_one_that_the_project_file_allows(
    now: dict[str, float], pages: list[dict[str, object]]
) -> None:
    before = PROJECT
    if now:
        before += "  microcache:\n    - {path: /news/, seconds: 5}\n"
    made = edits.microcache(facts(microcache=now), {"/guide/": 10.0})
    project = yaml.safe_load(typed(before, [made]))["project"]
    found = sorted((dict(one) for one in check(project).microcache), key=str)
    assert found == sorted(pages, key=str)
    assert made.values == [("project.microcache", pages)]


def test_a_role_input_is_set_in_host_vars() -> None:
    made = edits.host_variable("vps1", "django_threads", 8, 4)
    assert made.file == "host_vars/vps1.yml"
    assert typed("django_threads: 4\n", [made]) == "django_threads: 8\n"
