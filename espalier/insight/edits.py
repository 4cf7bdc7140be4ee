"""Edits of the inventory, as a person types them and as a program applies them.

What is written: hosts.yml has tiers, machines and duties; project.yml has the microcache and
processes; a role's input that `playbooks/group_vars/` sets stands in host_vars/MACHINE.yml, as the
README says under "To adapt the kit".

Paths in `Edit.values`: "tiers" is below `all.vars`; "all.hosts.NAME" is a machine that is added,
"all.children.DUTY.hosts" the machines of a duty, in their order, all of them. In the other files a
path begins at the top of the file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from espalier.insight.advice import Edit
from espalier.insight.recording import SiteFacts

HOSTS = "hosts.yml"
PROJECT = "group_vars/all/project.yml"
# The order in which hosts.yml of the example has them, which is that of the ladder.
LADDER = ("replicas", "pgbouncer", "redis", "app_servers", "failover")


def tier(site: SiteFacts, name: str) -> list[Edit]:
    """Switch a tier on; nothing where it is on."""
    if name in site.tiers:
        return []
    tiers = sorted({*site.tiers, name}, key=_rung)
    return [Edit(HOSTS, [_tiers(site.tiers)], [_tiers(tiers)], values=[("tiers", tiers)])]


def machine_for(site: SiteFacts, duty: str) -> tuple[str, list[Edit]]:
    """A further machine for a duty: one without services if there is one, else a new one.

    Returns:
        Its name, and the edits that bring it into hosts.yml and into the duty.
    """
    name, edits = _free_machine(site, duty)
    now = list(site.duties.get(duty, ()))
    edits.append(_duty(duty, now, [*now, name]))
    return name, edits


def machine_instead(site: SiteFacts, duty: str) -> tuple[str, list[Edit]]:
    """A machine of its own for a duty, in the place of the first one that has it."""
    name, edits = _free_machine(site, duty)
    now = list(site.duties.get(duty, ()))
    edits.append(_duty(duty, now, [name, *now[1:]]))
    return name, edits


def machine_away(site: SiteFacts, duty: str) -> list[Edit]:
    """Take the last machine out of a duty."""
    now = list(site.duties.get(duty, ()))
    return [_duty(duty, now, now[:-1])]


def host_variable(machine: str, key: str, new: object, old: object = None) -> Edit:
    """Set a role's input on one machine, in its file of host_vars.

    `old` is what it is today: a line that goes where somebody had set it; where the kit computed
    it, there is no such line, and the new one is added all the same.
    """
    removed = [f"{key}: {old}"] if old is not None else []
    return Edit(f"host_vars/{machine}.yml", removed, [f"{key}: {new}"], values=[(key, new)])


def microcache(site: SiteFacts, pages: Mapping[str, float]) -> Edit:
    """Let nginx keep pages: path -> seconds; those that it keeps today stay."""
    now = {path: int(seconds) for path, seconds in site.microcache.items()}
    kept = now | {path: max(int(seconds), 1) for path, seconds in pages.items()}
    entries = [{"path": path, "seconds": seconds} for path, seconds in kept.items()]
    added = ["  microcache:"] if not now else []
    added += [
        f"    - {{path: {path}, seconds: {seconds}}}"
        for path, seconds in kept.items()
        if path not in now
    ]
    below = "project:" if not now else "  microcache:"
    return Edit(PROJECT, [], added, below=below, values=[("project.microcache", entries)])


def merged(edits: Sequence[Edit]) -> list[Edit]:
    """Edits of two changes as one list: what both have stands once, and `tiers` is one line."""
    result: list[Edit] = []
    for edit in edits:
        if edit in result:
            continue
        same = next((i for i, one in enumerate(result) if _sets_tiers(one, edit)), None)
        if same is None:
            result.append(edit)
            continue
        before = result[same]
        tiers = sorted({*_value(before), *_value(edit)}, key=_rung)
        result[same] = Edit(HOSTS, before.removed, [_tiers(tiers)], values=[("tiers", tiers)])
    return result


def _rung(name: str) -> tuple[int, str]:
    return (LADDER.index(name) if name in LADDER else len(LADDER), name)


def _tiers(names: Sequence[str]) -> str:
    return f"    tiers: [{', '.join(names)}]"


def _duty(duty: str, before: Sequence[str], after: Sequence[str]) -> Edit:
    return Edit(
        HOSTS,
        [_duty_line(duty, before)] if before else [],
        [_duty_line(duty, after)],
        below="" if before else "  children:",
        values=[(f"all.children.{duty}.hosts", {name: None for name in after})],
    )


def _duty_line(duty: str, machines: Sequence[str]) -> str:
    names = ", ".join(f"{name}: " for name in machines)
    return f"    {duty}: {{hosts: {{{names}}}}}"


def _free_machine(site: SiteFacts, duty: str) -> tuple[str, list[Edit]]:
    used = {name for machines in site.services.values() for name in machines}
    known = [*site.addresses, *(name for name in site.prices if name not in site.addresses)]
    mine = set(site.duties.get(duty, ()))
    spares = [name for name in known if name in site.addresses and name not in used | mine]
    if spares:
        named = [name for name in spares if name.startswith(duty)]
        return (named or (spares if duty == "app" else spares[::-1]))[0], []
    taken = {*known, *used, *(name for names in site.duties.values() for name in names)}
    number = next(n for n in range(2, 1000) if f"{duty}{n}" not in taken)
    name = f"{duty}{number}"
    private = _free_address(site, duty)
    # Each placeholder is another one: two machines with one address are refused.
    variables = {
        "ansible_host": f"ADDRESS_OF_{name.upper()}",
        "private_address": private or f"PRIVATE_ADDRESS_OF_{name.upper()}",
    }
    text = ", ".join(f"{key}: {value}" for key, value in variables.items())
    line = f"    {name}: {{{text}}}"
    return name, [
        Edit(HOSTS, [], [line], below="  hosts:", values=[(f"all.hosts.{name}", variables)])
    ]


def _free_address(site: SiteFacts, duty: str) -> str:
    """An address after the highest private one, where all are private; else nothing.

    Each duty has another one, as two machines may be added at once.
    """
    try:
        addresses = [ipaddress.ip_address(address) for address in site.addresses.values()]
    except ValueError:
        return ""
    if not addresses or not all(one.is_private and one.version == 4 for one in addresses):
        return ""
    return str(max(addresses, key=int) + (1 if duty == "app" else 2))


def _sets_tiers(one: Edit, other: Edit) -> bool:
    return all(edit.values and edit.values[0][0] == "tiers" for edit in (one, other))


def _value(edit: Edit) -> list[str]:
    value = edit.values[0][1]
    return [str(name) for name in value] if isinstance(value, list) else []
