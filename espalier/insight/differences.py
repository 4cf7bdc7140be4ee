"""What differs between the sites of two recordings, and whether the two can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from espalier.insight.advice import Change, Remedy
from espalier.insight.recording import Recording

# What these change is the machines themselves.
OTHER_MACHINES = (
    Remedy.APP_SERVERS,
    Remedy.REPLICAS,
    Remedy.CACHE,
    Remedy.PGBOUNCER,
    Remedy.LARGER_MACHINE,
    Remedy.SPLIT_MACHINES,
    Remedy.MEMORY,
    Remedy.DISK,
    Remedy.SMALLER,
)


def differences(before: Recording, after: Recording) -> list[str]:
    """What differs between the sites of two recordings: "workers on web1: 1, now 4"."""
    old, new = before.site.model_dump(), after.site.model_dump()
    found = []
    names = ("tiers", "workers", "threads", "max_connections", "pool_size", "conn_max_age")
    for name in (*names, "redis_memory_mb", "microcache", "services"):
        if isinstance(old[name], Mapping):
            for key in {**old[name], **new[name]}:
                one, other = old[name].get(key), new[name].get(key)
                if one != other:
                    found.append(f"{name} {key}: {_said(one)}, now {_said(other)}")
        elif old[name] != new[name]:
            one, other = (
                "for ever" if name == "conn_max_age" and one is None else _said(one)
                for one in (old[name], new[name])
            )
            found.append(f"{name}: {one}, now {other}")
    for name in (one for one in before.machines if one in after.machines):
        for what in ("cores", "memory_mb", "quotas", "memory_limits"):
            one, other = getattr(before.machines[name], what), getattr(after.machines[name], what)
            # Memory that is left after the kernel's own differs a little from boot to boot.
            close = what == "memory_mb" and abs(one - other) <= 0.02 * max(one, other)
            if one != other and not close:
                found.append(f"{what} of {name}: {_said(one)}, now {_said(other)}")
    return found


def _said(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def not_comparable(
    before: Recording, after: Recording, change: Change | None, changed: Sequence[str]
) -> str:
    """Why the two cannot be compared; "" where they can."""
    if before.site.project != after.site.project:
        return (
            f"The recordings are of two projects, {before.site.project} and {after.site.project}."
        )
    if bool(before.load) != bool(after.load):
        return "One recording is of a load, and the other one of visitors: measure the same way."
    if before.load and after.load and before.load.profile != after.load.profile:
        return (
            f"The loads are of two profiles, {before.load.profile} and {after.load.profile}: "
            "give the same one."
        )
    moved = set(before.machines) ^ set(after.machines)
    if moved and change and change.remedy not in OTHER_MACHINES:
        return (
            f"The machines are others than before ({', '.join(sorted(moved))}), which was not the "
            "change: what it does is not told apart from them."
        )
    if change and change.edits and not changed and not moved:
        return (
            "Nothing of the site has changed since: edit the inventory as advised, run "
            "`espalier site`, and prove it then."
        )
    return ""
