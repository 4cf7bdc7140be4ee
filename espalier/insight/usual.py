"""What the kit sets where nobody has written anything: an edit replaces no line then."""

from __future__ import annotations

from espalier.insight.evidence import Evidence
from espalier.wiring.django import worker_count
from espalier.wiring.machine import memory_share_mb, redis_memory_mb
from espalier.wiring.pgbouncer import pool_size

THREADS = 4  # playbooks/group_vars/all/site.yml


def workers(evidence: Evidence, name: str) -> int:
    """Worker processes of a machine; 2 where nothing is known of it."""
    machine = evidence.machines.get(name)
    if machine is None:
        return 2
    duties = [duty for duty, names in evidence.site.duties.items() if name in names]
    share = memory_share_mb(int(machine.memory_mb), duties)
    return worker_count(int(machine.cores), share - redis(evidence, name))


def redis(evidence: Evidence, name: str) -> int:
    """MiB of the cache on a machine."""
    machine = evidence.machines.get(name)
    services = [one for one, names in evidence.site.services.items() if name in names]
    return redis_memory_mb(int(machine.memory_mb), services) if machine else 0


def pool(evidence: Evidence, name: str) -> int:
    """Connections of pgbouncer to the PostgreSQL of a machine."""
    machine = evidence.machines.get(name)
    return pool_size(int(machine.cores) if machine else 1)


def written(now: float | None, usual: float) -> float | None:
    """What stands in the inventory: today's value, where it is not the kit's own."""
    return None if now is None or now == usual else now
