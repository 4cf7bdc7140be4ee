"""When each machine of a site upgrades Debian's packages, and when it may reboot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from espalier.inventory.machine_settings.check import settings
from espalier.inventory.machine_settings.updates import DAY, Updates, minutes

LISTS_BEFORE = 60  # minutes: the lists of packages are fetched before the window


def upgrade_order(machines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the machines in the order in which they upgrade: the primary last.

    What goes wrong with an upgrade is seen on the others first.
    """

    def weight(name: str) -> int:
        services = machines[name]["services"]
        return ("postgresql_primary" in services) * 2 + ("postgresql_replica" in services)

    return sorted(machines, key=weight)


def update_times(updates: Any, machine: str, order: Sequence[str]) -> dict[str, Any]:
    """Return when a machine fetches lists, upgrades and reboots, as `HH:MM` of its own time.

    Each machine has a part of the window to itself. It upgrades at the beginning of that, and a
    reboot that is allowed and needed comes after three quarters: it is back before the next begins.

    Args:
        updates: as the inventory has it.
        machine: the machine's name.
        order: the names of all machines, as `upgrade_order` gives them.
    """
    told = settings("updates", updates, machine)
    assert isinstance(told, Updates)
    begin, length = minutes(told.window)
    mine, part = order.index(machine), length / len(order)
    upgrade = begin + int(mine * part)
    return {
        "lists": _clock(begin - LISTS_BEFORE),
        "upgrade": _clock(upgrade),
        "reboot": _clock(begin + int((mine + 0.75) * part)) if told.reboot else "",
    }


def _clock(minute: int) -> str:
    minute %= DAY
    return f"{minute // 60:02}:{minute % 60:02}"
