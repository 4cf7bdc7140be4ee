"""What a machine has, and how those who share it divide it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from espalier.inventory.services import TUNNELS

# Where the size of the disk is not known, in MiB.
SMALL_DISK_MB = 20 * 1024


def cores(count: float | str) -> int:
    """Return whole cores; a container may have a part of one, which counts as one."""
    return math.ceil(float(count))


def memory_share_mb(memory_mb: int, duties: Sequence[str]) -> int:
    """Return the MiB of memory that PostgreSQL may count on, and so may Django with its redis.

    On one machine they share it half and half. By duties, not services: another share restarts
    PostgreSQL, and no tier may do so.
    """
    return int(memory_mb) // 2 if {"app", "db"} <= set(duties) else int(memory_mb)


def redis_memory_mb(memory_mb: int, services: Sequence[str]) -> int:
    """Return the MiB of memory that the cache may take; 0 where there is none.

    An eighth of the machine, of what would else be Django's or the page cache; never of
    PostgreSQL's, which would have to be restarted. A machine of its own keeps a quarter for the
    system, the connections and the jobs that wait in the queue.
    """
    if "redis" not in services:
        return 0
    is_shared = set(services) - {"redis", "queue", *TUNNELS.values()}
    return int(int(memory_mb) * (0.125 if is_shared else 0.75))


def disk_mb(mounts: Iterable[Mapping[str, Any]]) -> int:
    """Return the size in MiB of the root file system, from the fact `mounts` (bytes)."""
    for mount in mounts:
        if mount["mount"] == "/":
            return int(mount["size_total"]) // 1024**2
    return SMALL_DISK_MB


def machines_with_duty(machines: Mapping[str, Mapping[str, Any]], duty: str) -> list[str]:
    """Return the names of the machines that the user gave a duty, from `topology.machines`."""
    return [name for name, placed in machines.items() if duty in placed["duties"]]
