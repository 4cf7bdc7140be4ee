"""Names of machines, and of groups that look like a duty."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.inventory.errors import InventoryError
from espalier.inventory.names import (
    check_machine_name,
    check_names,
    check_slots,
    replication_slot,
)
from espalier.inventory.schema import check_hosts
from espalier.inventory.spelling import duty_meant

ON_VPS1 = {"hosts": {"vps1": None}}
DUTIES = {"web": ON_VPS1, "app": ON_VPS1, "db": ON_VPS1}


def groups(**others: Any) -> dict[str, Any]:
    """Return the groups of one VPS that has every duty, and others beside them."""
    return check_hosts({"all": {**ON_VPS1, "children": {**DUTIES, **others}}}).root


@pytest.mark.parametrize("name", ["vps1", "web.example.com", "db_1", "A-1", "1"])
def test_machine_name(name: str) -> None:
    check_machine_name(name)


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("vps 1", "vps-1"),
        ("büro1", "b-ro1"),
        ("-oProxyCommand=x", "oProxyCommand-x"),
        ("vps1;reboot", "vps1-reboot"),
        ("vps\n1", "vps-1"),
        ("$()", "vps1"),
    ],
)
def test_machine_name_that_is_refused(name: str, better: str) -> None:
    with pytest.raises(InventoryError, match=f"such as `{better}`;"):
        check_machine_name(name)


def test_slot_is_a_name_that_postgresql_takes() -> None:
    assert replication_slot("DB-2.example") == "espalier_db_2_example"
    check_slots(["db1", "db2", "d" * 54])


@pytest.mark.parametrize(
    ("replicas", "sentence"),
    [
        (["db-2", "db.2"], "The machines `db-2` and `db.2` differ by capitals or punctuation"),
        (["d" * 55], "has a name of 55 characters, .* give it one of at most 54"),
    ],
)
def test_replicas_that_could_not_have_a_slot_each(replicas: list[str], sentence: str) -> None:
    with pytest.raises(InventoryError, match=sentence):
        check_slots(replicas)


@pytest.mark.parametrize("name", ["db[1:3]", "db[01:10:2].example.com", "db[a:c]", "vps1:2222"])
def test_name_that_ansible_expands(name: str) -> None:
    check_names(check_hosts({"all": {"hosts": {name: None}}}).root)


@pytest.mark.parametrize("name", ["db[1:", "db[1:3] x", "fd00::1", "vps1:ssh"])
def test_name_that_ansible_would_expand_to_nothing_good(name: str) -> None:
    with pytest.raises(InventoryError, match=r"A machine in hosts\.yml is called"):
        check_names(check_hosts({"all": {"hosts": {name: None}}}).root)


@pytest.mark.parametrize(
    ("group", "duty"),
    [
        ("database", "db"),
        ("databases", "db"),
        ("dbs", "db"),
        ("DB", "db"),
        ("db-servers", "db"),
        ("postgres", "db"),
        ("webservers", "web"),
        ("web_hosts", "web"),
        ("Web", "web"),
        ("application", "app"),
        ("appservers", "app"),
        ("caches", "cache"),
    ],
)
def test_group_that_looks_like_a_duty(group: str, duty: str) -> None:
    with pytest.raises(InventoryError, match=rf"Did you mean `{duty}`\?"):
        check_names(groups(**{group: ON_VPS1}))


@pytest.mark.parametrize(
    "group",
    [
        *DUTIES,
        "cache",
        "monitor",
        "backup",
        "monitoring",
        "cache_warmers",
        "berlin",
        "web1",
        "apple",
    ],
)
def test_group_that_does_not(group: str) -> None:
    assert duty_meant(group) == ""


@pytest.mark.parametrize(
    "others",
    [
        {"database": {"hosts": {}}},
        {"database": None},
        {"database": {"children": {"db": None}}},
        {"db": {"children": {"databases": ON_VPS1}}},
        {"a": {"children": {"b": None}}, "b": {"children": {"a": None}}},  # Ansible refuses it
    ],
    ids=["no machine", "nothing", "above the duty", "below the duty", "a circle"],
)
def test_group_that_is_the_users_own(others: dict[str, Any]) -> None:
    check_names(groups(**others))
