"""The applier of edits: what a person who types an advice does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.trials.edits import EditError, apply_edits
from bench.trials.environment import hosts_text, write_environment

TIER = {
    "file": "hosts.yml",
    "removed": ["    tiers: []"],
    "added": ["    tiers: [app_servers]"],
    "below": "",
    "values": [["tiers", ["app_servers"]]],
}
DUTY = {
    "file": "hosts.yml",
    "removed": ["    app: {hosts: {vps1: }}"],
    "added": ["    app: {hosts: {vps1: , app2: }}"],
    "below": "",
    "values": [["all.children.app.hosts", {"vps1": None, "app2": None}]],
}
MACHINE = {
    "file": "hosts.yml",
    "removed": [],
    "added": ["    app2: {ansible_host: 198.18.0.12, private_address: 198.18.0.12}"],
    "below": "  hosts:",
    "values": [
        ["all.hosts.app2", {"ansible_host": "198.18.0.12", "private_address": "198.18.0.12"}]
    ],
}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    duties = {duty: ["vps1"] for duty in ("web", "app", "db")}
    hosts = hosts_text([], {"vps1": {"ansible_host": "198.18.0.11"}}, duties, {"insight": True})
    write_environment(
        tmp_path, hosts, {"name": "nursery"}, {"vps1": {"django_threads": 1, "django_workers": 1}}
    )
    return tmp_path


def said(environment: Path, name: str = "hosts.yml") -> Any:
    return yaml.safe_load((environment / name).read_text())


def test_tier_machine_and_duty(environment: Path) -> None:
    assert apply_edits([TIER, MACHINE, DUTY], environment) == ["hosts.yml"]
    everything = said(environment)["all"]
    assert everything["vars"]["tiers"] == ["app_servers"]
    assert everything["vars"]["insight"] is True
    assert list(everything["children"]["app"]["hosts"]) == ["vps1", "app2"]
    assert list(everything["children"]["db"]["hosts"]) == ["vps1"]
    assert everything["hosts"]["app2"]["private_address"] == "198.18.0.12"


def test_comment_at_the_end_of_a_line(environment: Path) -> None:
    file = environment / "hosts.yml"
    file.write_text(
        file.read_text().replace("app: {hosts: {vps1: }}", "app: {hosts: {vps1: }}  # x")
    )
    apply_edits([DUTY], environment)
    assert list(said(environment)["all"]["children"]["app"]["hosts"]) == ["vps1", "app2"]


def test_input_of_a_role_that_stood_there_and_a_new_one(environment: Path) -> None:
    more = {
        "file": "host_vars/vps1.yml",
        "removed": ["django_threads: 1"],
        "added": ["django_threads: 8"],
        "values": [["django_threads", 8]],
    }
    new = {
        "file": "host_vars/db1.yml",
        "removed": [],
        "added": ["pgbouncer_pool_size: 9"],
        "values": [["pgbouncer_pool_size", 9]],
    }
    assert apply_edits([more, new], environment) == ["host_vars/vps1.yml", "host_vars/db1.yml"]
    assert said(environment, "host_vars/vps1.yml") == {"django_threads": 8, "django_workers": 1}
    assert said(environment, "host_vars/db1.yml") == {"pgbouncer_pool_size": 9}


def test_line_that_is_not_there(environment: Path) -> None:
    wrong = {**TIER, "removed": ["    tiers: [redis]"]}
    with pytest.raises(EditError, match=r"no line 'tiers: \[redis\]'"):
        apply_edits([wrong], environment)


def test_line_that_says_something_else_than_its_value(environment: Path) -> None:
    wrong = {**TIER, "added": ["    tiers: [replicas]"]}
    with pytest.raises(EditError, match=r"'replicas'.*'app_servers'"):
        apply_edits([wrong], environment)
