"""When each machine upgrades, and may reboot."""

from __future__ import annotations

from espalier.wiring.updates import update_times, upgrade_order

MACHINES = {
    "db1": {"services": ["postgresql_primary"]},
    "db2": {"services": ["postgresql_replica"]},
    "web1": {"services": ["nginx", "django"]},
    "app1": {"services": ["django"]},
}


def test_the_primary_comes_last() -> None:
    assert upgrade_order(MACHINES) == ["web1", "app1", "db2", "db1"]


def test_one_machine_has_the_window_to_itself() -> None:
    assert update_times({}, "vps1", ["vps1"]) == {
        "lists": "02:00",
        "upgrade": "03:00",
        "reboot": "",
    }
    found = update_times({"window": "23:30-00:30", "reboot": True}, "vps1", ["vps1"])
    assert found == {"lists": "22:30", "upgrade": "23:30", "reboot": "00:15"}


def test_each_machine_has_a_part_of_it() -> None:
    order = upgrade_order(MACHINES)
    found = [update_times({"reboot": True}, name, order) for name in order]
    assert [(one["upgrade"], one["reboot"]) for one in found] == [
        ("03:00", "03:22"),
        ("03:30", "03:52"),
        ("04:00", "04:22"),
        ("04:30", "04:52"),
    ]
