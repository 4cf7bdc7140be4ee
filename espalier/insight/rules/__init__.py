"""Rules: pure functions from evidence to findings, one module a subject.

The order in `RULES` is of no weight; `espalier.insight.advise` judges what they find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from espalier.insight.evidence import Evidence
from espalier.insight.finding import Finding
from espalier.insight.rules import (
    cache,
    connections,
    disk,
    locks,
    memory,
    network,
    nothing,
    outside,
    processors,
    queue,
    redis,
    statements,
    threads,
    views,
)

Rule = Callable[[Evidence], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    processors.host,
    processors.parts,
    processors.workers,
    threads.threads,
    connections.refused,
    connections.many,
    connections.opening,
    connections.small_pool,
    connections.large_pool,
    locks.locks,
    statements.missing_index,
    statements.heavy,
    views.many_queries,
    views.heavy,
    cache.replayed,
    memory.scarce,
    disk.reading,
    disk.syncing,
    disk.full,
    network.between_machines,
    network.visitors,
    redis.evicting,
    queue.growing,
    outside.waiting,
    nothing.smaller,
)

__all__ = ["RULES", "Rule"]
