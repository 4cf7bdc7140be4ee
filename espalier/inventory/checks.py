"""Checks: machines, groups and tiers that make no sense together are refused with a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from espalier.inventory.addresses import canonical, check_address, check_private, is_template
from espalier.inventory.errors import InventoryError
from espalier.inventory.model import Machine
from espalier.inventory.names import check_machine_name, instead_of_duty
from espalier.inventory.placement import voters
from espalier.inventory.services import DUTIES, ETCD_MEMBERS, REQUIRED_DUTIES, SERVICES, TIERS
from espalier.inventory.spelling import did_you_mean, duty_meant


def check_machines(machines: Mapping[str, Machine]) -> None:
    """Refuse machines without a usable address, and one machine under two names."""
    if not machines:
        raise InventoryError(
            "No machine is known. Write the machines in hosts.yml under `all: hosts:`, and give "
            "Ansible the inventory's directory (`-i deploy/production`), not one file of it."
        )
    seen: dict[tuple[str, str], str] = {}
    for name, machine in machines.items():
        if name in SERVICES or name in DUTIES:
            kind = "service" if name in SERVICES else "duty"
            raise InventoryError(
                f"A machine in hosts.yml is called `{name}`, which is the name of a {kind}, so "
                f"plays for the {kind} would run on it too. Give it another name, such as "
                f"`{name}1`."
            )
        check_machine_name(name)
        for variable, address in (
            ("ansible_host", machine["public_address"]),
            ("private_address", machine["address"]),
        ):
            check_address(name, variable, address)
            other = seen.setdefault((variable, canonical(address)), name)
            if other != name:
                raise InventoryError(
                    f"`{other}` and `{name}` in hosts.yml have the same `{variable}` {address}: "
                    f"the same machine twice. Remove `{name}` and put `{other}` into every duty "
                    f"group that it serves, or correct the address."
                )
        if machine.get("private"):
            check_private(name, machine["address"])


def check_groups(machines: Mapping[str, Machine], groups: Mapping[str, Sequence[str]]) -> None:
    """Refuse groups that are named like a service, or name a machine that does not exist."""
    for group, names in groups.items():
        if group in SERVICES:
            raise InventoryError(
                f"hosts.yml has a group `{group}`, which is a service: where services run is "
                f"computed, never typed. Remove the group and put its machines into the duty "
                f"group `{SERVICES[group].duty}`, or give the group another name."
            )
        for name in names:
            if name not in machines:
                raise InventoryError(
                    f"The group `{group}` in hosts.yml names the machine `{name}`, which is not "
                    "under `all: hosts:`. Add it there, or correct the name."
                )


def check_tiers(tiers: object) -> list[str]:
    """Return the tiers in ladder order, or refuse the value."""
    known = ", ".join(TIERS)
    example = "Write a list under `all: vars:`, such as `tiers: [pgbouncer, redis]`, or `tiers: []`"
    if tiers is None:
        raise InventoryError(
            f"`tiers` is missing from hosts.yml, or empty. {example} for the single-VPS baseline."
        )
    if is_template(tiers):
        raise InventoryError(
            f"`tiers` in hosts.yml is a template ({tiers}), but the topology is computed before "
            f"templates are. {example}."
        )
    if not isinstance(tiers, Sequence) or isinstance(tiers, str | bytes):
        raise InventoryError(f"`tiers` in hosts.yml is {tiers!r}, which is no list. {example}.")
    for position, tier in enumerate(tiers):
        if is_template(tier):
            raise InventoryError(
                f"`tiers` in hosts.yml has a template in it ({tier}), but the topology is computed "
                f"before templates are. {example}."
            )
        if tier not in TIERS:
            raise InventoryError(
                f"`tiers` in hosts.yml has {tier!r}, which is no tier.{did_you_mean(tier, TIERS)} "
                f"The tiers are: {known}."
            )
        if tier in tiers[:position]:
            raise InventoryError(
                f"`tiers` in hosts.yml has `{tier}` twice. Write it once; once is on, "
                "absent is off."
            )
    return [tier for tier in TIERS if tier in tiers]


def check_insight(value: object) -> bool:
    """Return whether a site is looked into while it runs, or refuse the value."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InventoryError(
        f"`insight` in hosts.yml is {value!r}, which is neither true nor false. Write "
        "`insight: true` under `all: vars:`, or remove the key."
    )


def check_duties(members: Mapping[str, list[str]], groups: Mapping[str, Sequence[str]]) -> None:
    """Refuse a duty that nobody has, and a group name that is a slip for a missing duty."""
    # No tier of today uses the other duties, so a group called `monitoring` is the user's own.
    for duty in (*REQUIRED_DUTIES, "cache"):
        if members[duty]:
            continue
        slip = _slip(duty, groups)
        if slip:
            raise InventoryError(instead_of_duty(slip, duty))
        if duty in REQUIRED_DUTIES:
            raise InventoryError(
                f"No machine has the duty `{duty}`. Add one under `all: children:` in hosts.yml, "
                f"such as `{duty}: {{hosts: {{vps1: }}}}`; one machine may have every duty."
            )


def check_tier_needs(tiers: Sequence[str], members: Mapping[str, list[str]]) -> None:
    """Refuse tiers that the machines cannot carry."""
    for tier, duty in (("replicas", "db"), ("app_servers", "app")):
        if tier in tiers and len(members[duty]) < 2:
            raise InventoryError(
                f"The tier `{tier}` needs two machines in the group `{duty}`, and hosts.yml has "
                f"one ({members[duty][0]}). Add a second one to `{duty}`, or remove `{tier}` "
                f"from `tiers`."
            )
    if "failover" not in tiers:
        return
    if "replicas" not in tiers:
        raise InventoryError(
            "The tier `failover` in hosts.yml promotes a replica, and the tier `replicas` is off. "
            "Write `replicas` into `tiers` as well, or remove `failover`."
        )
    able = voters(members)
    if len(able) < ETCD_MEMBERS:
        raise InventoryError(
            f"The tier `failover` needs {ETCD_MEMBERS} machines in the groups db, app and web "
            f"together, so that two still agree when one is lost; hosts.yml has {len(able)} "
            f"({', '.join(able)}). Add a machine to one of them, or remove `failover` from "
            "`tiers`."
        )


def check_backup_machine(
    members: Mapping[str, list[str]], groups: Mapping[str, Sequence[str]]
) -> None:
    """Refuse a machine that would be lost together with what it has copies of."""
    if not members["backup"]:
        if slip := _slip("backup", groups):
            raise InventoryError(instead_of_duty(slip, "backup"))
        raise InventoryError(
            "`backup: {to: machine}` in hosts.yml wants a machine with the duty `backup`, and none "
            "has it. Add one under `all: children:`, such as `backup: {hosts: {backup1: }}`."
        )
    name = members["backup"][0]
    both = [duty for duty in ("web", "app", "db") if name in members[duty]]
    if both:
        raise InventoryError(
            f"`{name}` in hosts.yml has the duty `backup` and {both[0]}: the copies would be lost "
            "together with what they are of. Give `backup` a machine of its own, at best one of "
            "another provider; or write `backup: {to: s3, …}` or `{to: sftp, …}`."
        )


def _slip(duty: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Return the user's group that looks like a misspelt duty, or ""."""
    others = {g.lower(): g for g, names in groups.items() if names and g not in DUTIES}
    for group in others.values():
        if duty_meant(group) == duty:
            return group
    # `webservers` for `web` is a slip where `web` must exist; `cache_warmers` may well be meant.
    prefixed = [g for g in others if duty in REQUIRED_DUTIES and g.startswith(duty)]
    found = get_close_matches(duty, others, 1, 0.8) or prefixed
    return others[found[0]] if found else ""
