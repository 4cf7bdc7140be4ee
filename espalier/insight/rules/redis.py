"""The cache in redis: entries that are dropped before they are asked for again."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import edits, usual
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed, predicted, relieved
from espalier.insight.price import priced
from espalier.insight.state import DATABASES, held_share, is_busy, saturated, suffering, windows
from espalier.insight.words import figure, percent


def evicting(evidence: Evidence) -> Iterator[Finding]:
    """A cache that drops entries for lack of memory, and misses them."""
    end = saturated(evidence)
    evicted = max(one.redis.get("evicted", 0.0) for one in windows(evidence))
    asked = end.redis.get("hits", 0.0) + end.redis.get("misses", 0.0)
    missed = end.redis.get("misses", 0.0) / asked if asked else 0.0
    if evicted < at.EVICTED or missed < at.MISSED:
        return
    machine = next(iter(evidence.site.services.get("redis", ())), "")
    now = evidence.site.redis_memory_mb or end.redis.get("limit_mb", 0.0)
    size = evidence.machines[machine].memory_mb if machine in evidence.machines else 0.0
    new = int(max(2 * now, min(8 * now, at.REDIS_LARGEST * size), 64))
    change = Change(
        Remedy.REDIS_MEMORY,
        Place.REDIS_MEMORY,
        f"Give redis {new} MiB instead of {figure(now)}.",
        [
            edits.host_variable(
                machine,
                "redis_memory_mb",
                new,
                usual.written(int(now) or None, usual.redis(evidence, machine)),
            )
        ],
        then=["espalier site"],
    )
    busy = is_busy(evidence, ("django", *DATABASES))
    if busy:
        gone = (missed * 0.2, missed * 0.5, missed * 0.9)
        change = predicted(change, evidence, relieved(evidence, gone, gone))
    else:
        change = freed(change, evidence, missed * 0.5)
    level = Level.REASON if busy else Level.CAUSE if suffering(evidence) else Level.NOTE
    yield Finding(
        Place.REDIS_MEMORY,
        f"redis on {machine}",
        level,
        missed if busy else missed * held_share(end, "computing", "database"),
        [
            f"redis drops {figure(evicted)} entries a second for lack of memory "
            f"({figure(now)} MiB), and {percent(missed)} of what is asked of it is missing"
        ],
        [priced(change, 0.0)],
        explains=("django", *DATABASES),
    )
