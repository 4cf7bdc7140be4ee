"""Names in hosts.yml: of machines, and of groups that look like a duty and are none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from espalier.inventory.errors import InventoryError
from espalier.inventory.schema import Group
from espalier.inventory.spelling import duty_meant

MACHINE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
MAX_SLOT = 63  # bytes of a name in PostgreSQL (NAMEDATALEN - 1)
# Of a name that Ansible expands: `db[1:3]` is three machines, and `vps1:2222` has a port.
_EXPANDED = r"\[\w*:\w*(:\d+)?\]|:\d+$"


def check_names(top: Mapping[str, Group | None]) -> None:
    """Refuse names of machines that are none, and a group such as `database` in place of `db`.

    A group that has the duty among its children, or is one of its children, is the user's own: how
    the two belong together is written there.

    Args:
        top: the groups at the top of hosts.yml.

    Raises:
        InventoryError: a machine's name is refused, or machines are in a group that nothing reads.
    """
    children: dict[str, list[str]] = {}
    own: dict[str, set[str]] = {}
    for name, group in _every(top):
        children.setdefault(name, []).extend(group.children)
        own.setdefault(name, set()).update(group.hosts)
        for machine in group.hosts:
            if not re.fullmatch(MACHINE_NAME, re.sub(_EXPANDED, "1", machine)):
                check_machine_name(machine)

    def below(name: str) -> set[str]:
        """Return the group and all groups below it."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            group = waiting.pop()
            if group not in found:  # a circle, which Ansible refuses later
                found.add(group)
                waiting += children.get(group, ())
        return found

    def machines(name: str) -> set[str]:
        return set().union(*(own.get(group, set()) for group in below(name)))

    for name in own:
        duty = duty_meant(name)
        if duty and machines(name) and duty not in below(name) and name not in below(duty):
            missing = not machines(duty)
            raise InventoryError(instead_of_duty(name, duty) if missing else _beside(name, duty))


def replication_slot(machine: str) -> str:
    """Return the name of the slot on the primary that keeps what a replica's machine lacks."""
    return "espalier_" + re.sub("[^a-z0-9]", "_", machine.lower())


def check_machine_name(name: str) -> None:
    """Refuse a name that a command, a file name or an address could not have in it.

    Raises:
        InventoryError: the name is refused.
    """
    if not re.fullmatch(MACHINE_NAME, name):
        better = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-") or "vps1"
        raise InventoryError(
            f"A machine in hosts.yml is called {name!r}. A name begins with a letter or a digit "
            "and has letters, digits, `.`, `_` and `-` in it, because it becomes part of commands "
            f"and of file names. Give it another name, such as `{better}`; its address belongs "
            "into `ansible_host`."
        )


def check_slots(replicas: Sequence[str]) -> None:
    """Refuse machines with a replica for which PostgreSQL could not have a slot each.

    Raises:
        InventoryError: a name is too long, or two differ by capitals or punctuation alone.
    """
    found: dict[str, str] = {}
    for machine in replicas:
        slot = replication_slot(machine)
        if len(slot) > MAX_SLOT:
            longest = MAX_SLOT - len(replication_slot(""))
            raise InventoryError(
                f"The machine `{machine}` has a name of {len(machine)} characters, and its "
                f"replication slot is named after it: give it one of at most {longest}."
            )
        other = found.setdefault(slot, machine)
        if other != machine:
            raise InventoryError(
                f"The machines `{other}` and `{machine}` differ by capitals or punctuation alone, "
                "so their replication slots would have one name. Rename one of them."
            )


def instead_of_duty(group: str, duty: str) -> str:
    """Return the sentence for a group that stands where a duty is missing."""
    return (
        f"hosts.yml has a group `{group}` and no machine in the group `{duty}`. Did you "
        f"mean `{duty}`? Rename the group `{group}` to `{duty}`."
    )


def _beside(group: str, duty: str) -> str:
    return (
        f"hosts.yml has a group `{group}`, which looks like the duty `{duty}` and is none, so "
        f"nothing runs on its machines because of it. Did you mean `{duty}`? Put its machines into "
        f"`{duty}`, or give the group a name that is less like it."
    )


def _every(groups: Mapping[str, Group | None]) -> Iterator[tuple[str, Group]]:
    """Yield every group by name; one that is named in two places comes twice."""
    for name, group in groups.items():
        found = group or Group()
        yield name, found
        yield from _every(found.children)
