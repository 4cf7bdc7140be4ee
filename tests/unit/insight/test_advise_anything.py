"""Whatever was measured, an advice comes out, and its intervals are in order."""

from __future__ import annotations

import json
from dataclasses import asdict
from random import Random
from typing import Any

import pytest

from espalier.insight.advice import Verdict
from espalier.insight.advise import advise
from espalier.insight.evidence import Evidence, Kind, Replay
from espalier.insight.recording import Index, Statement
from espalier.insight.text import advice_text
from tests.unit.insight.evidence_builder import (
    database,
    evidence,
    failing,
    machine,
    part,
    saturate,
    site,
    split,
    view,
)

KINDS = [
    (Kind.PROCESSOR, "web1", "django", ""),
    (Kind.WORKERS, "web1", "django", "django"),
    (Kind.SERVICE, "web1", "django", "django"),
    (Kind.PROCESSOR, "db1", "postgresql_primary", ""),
    (Kind.SERVICE, "db1", "postgresql_primary", "postgresql_primary"),
    (Kind.DISK, "db1", "postgresql_primary", ""),
    (Kind.THREADS, "web1", "django", "django"),
    (Kind.POOL, "db1", "pgbouncer", "pgbouncer"),
    (Kind.CONNECTIONS, "db1", "postgresql_primary", "postgresql_primary"),
]
WAITS = [
    "CPU",
    "Lock:tuple",
    "IO:DataFileRead",
    "IO:WALSync",
    "LWLock:WALWrite",
    "Client:ClientRead",
]


def anything(seed: int) -> Evidence:
    """Evidence at random: most of it makes little sense."""
    random = Random(seed)

    def some(*values: float) -> float:
        return random.choice(values)

    parts = [
        part(kind, name, some(0.5, 1, 2, 12), some(20, 45, 50, 60, 300), 40, busiest, service)
        for kind, name, busiest, service in KINDS
        if random.random() < 0.7
    ]
    tiers = [one for one in ("replicas", "pgbouncer", "redis", "app_servers") if some(0, 1)]
    beyond: dict[str, Any] = {
        "parts": saturate(parts, some(40, 50)),
        "split": split(
            nginx=some(0.001, 1),
            queue=some(0, 0.01, 2),
            database=some(0.001, 0.2),
            connecting=some(0, 0.05),
            outside=some(0, 0.5),
            unexplained=some(0, 0.3),
        ),
        "database": database(
            active=some(0, 1, 30),
            waits={name: some(0, 1, 5) for name in WAITS},
            hit_ratio=some(0.8, 1.0),
            sync_wait=random.choice([None, 0.001, 0.1]),
            sessions=some(0, 40),
            most_connections=some(5, 5, 5, 99),
            refused=int(some(0, 0, 0, 50)),
            blocking={"UPDATE shop_item SET n = n + $1": 2.0} if some(0, 1) else {},
        ),
        "machines": {
            name: machine(
                name,
                steal=some(0, 0, 0, 0.3),
                throttled=some(0, 0.5),
                busy=some(0.1, 2.0),
                killed=some(*[0] * 20, 1),
                limit_hits=some(0, 0, 0, 0, 5),
                major_faults=some(0, 100),
                memory_full=random.choice([None, *[0.0] * 10, 0.2]),
                round_trips={"db1": some(0, 0.02)},
            )
            for name in ("web1", "db1")
        },
        "pool": {"clients_waiting": some(0, 5), "waited": some(0, 8)} if some(0, 1) else {},
        "redis": {"evicted": some(0, 9), "hits": some(0, 9), "misses": 5.0},
        "errors": some(0, 0, 0.1),
        "timing": bool(some(0, 1)),
    }
    common: dict[str, Any] = {
        "parts": sorted(parts, key=lambda one: one.bound.value),
        "site": site(
            tiers=tiers,
            pool_size=random.choice([None, 2, 200]),
            redis_memory_mb=random.choice([None, 2.0, 256.0]),
            prices={"web1": 5.0} if some(0, 1) else {},
            threads={"web1": int(some(1, 4, 40))},
        ),
        "views": [view("shop:list", 0.6, queries=some(4, 60)), view("shop:item", 0.4)],
        "replays": [Replay("/a/", "shop:list", 10.0, 100, 90, 9.0, 0.6)] if some(0, 1) else [],
        "statements": [
            Statement(
                id="1",
                text="SELECT 1",
                calls=10,
                seconds=9.0,
                index=Index(statement="CREATE INDEX ON a (b)", cost=some(0, 9), cost_with=1.0),
            )
        ],
    }
    if some(0, 1):
        return evidence(**(common | beyond))
    return failing(some(0, 20, 40), beyond, **common)


@pytest.mark.parametrize("seed", range(300))
def test_anything(seed: int) -> None:
    given = anything(seed)
    advice = advise(given)
    assert (advice.change is None) == (
        advice.verdict in (Verdict.NOTHING, Verdict.UNEXPLAINED, Verdict.UNKNOWN)
    )
    for change in [one for one in (advice.change, *advice.others) if one]:
        assert change.sentence
        for interval in (change.gain, change.after):
            assert interval is None or 0 <= interval.low <= interval.value <= interval.high
    assert 0 <= advice.certainty <= 1
    assert max(map(len, advice_text(advice, given).splitlines())) <= 100
    json.dumps(asdict(advice), allow_nan=False)


def test_a_site_of_which_nothing_is_known() -> None:
    given = Evidence(
        site(), "measure", 60, 0, 0, 0, False, True, "", [], 0, split(), [], database(), {}, []
    )
    assert advise(given).verdict == Verdict.NOTHING
