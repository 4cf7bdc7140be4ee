"""Trials 12 to 23 of the notes, each as its fault shows itself: verdict, place, remedy."""

from __future__ import annotations

import pytest

from espalier.insight.advice import Place, Remedy, Verdict
from espalier.insight.advise import advise
from espalier.insight.evidence import Kind, Replay
from espalier.insight.recording import Index, Statement
from tests.unit.insight import evidence_builder as build
from tests.unit.insight.evidence_builder import (
    database,
    evidence,
    failing,
    machines,
    part,
    parts_with,
    said,
    saturate,
    site,
    split,
    view,
    views,
)

BOTTLENECK = Verdict.BOTTLENECK
APP, DB = "django", "postgresql_primary"


@pytest.mark.parametrize(("locked", "rest"), [(1.2, 1.0), (5.0, 0.6), (11.0, 0.5)])
def test_12_one_hot_row(locked: float, rest: float) -> None:
    statement = "UPDATE shop_counter SET hits = hits + $1 WHERE id = $2"
    given = failing(
        20,
        {
            "split": split(queue=0.1 * locked, database=(locked + rest) / 23),
            "database": database(
                active=locked + rest,
                reads_share=0.1,
                idle_in_transaction=0.9,
                waits={
                    "Lock:transactionid": locked * 0.4,
                    "Lock:tuple": locked * 0.6,
                    "IO:WALSync": 0.1,
                    "CPU": rest - 0.1,
                },
                blocking={statement: locked},
            ),
        },
    )
    advice = advise(given)
    assert said(given) == (BOTTLENECK, Place.LOCKS, Remedy.CODE)
    assert advice.change is not None
    assert advice.change.statement == statement


def indexed(share: float) -> list[Statement]:
    """A statement with a share of 10 s, and an index that PostgreSQL would use."""
    return [
        Statement(
            id="1",
            text="SELECT * FROM shop_item WHERE slug = $1",
            calls=1000,
            seconds=10 * share,
            index=Index(statement="CREATE INDEX ON shop_item (slug)", cost=5000.0, cost_with=20.0),
        ),
        Statement(id="2", text="SELECT 1", calls=4000, seconds=10 * (1 - share)),
    ]


@pytest.mark.parametrize("share", [0.6, 0.85, 0.99])
def test_13_an_index_is_missing(share: float) -> None:
    parts = parts_with(part(Kind.PROCESSOR, "db1", 2, 50, 40, DB))
    given = failing(
        40,
        {
            "parts": saturate(parts, 50),
            "split": split(queue=0.4, database=0.2),
            "database": database(active=9.0, waits={"CPU": 9.0}),
        },
        parts=parts,
        statements=indexed(share),
    )
    advice = advise(given)
    assert said(given) == (BOTTLENECK, Place.QUERY, Remedy.INDEX)
    assert advice.change is not None
    assert advice.change.statement == "CREATE INDEX ON shop_item (slug)"
    assert Remedy.REPLICAS in [change.remedy for change in advice.others]


def test_13_the_same_where_the_table_is_read_from_the_disk() -> None:
    given = failing(
        10,
        {
            "split": split(queue=0.6, database=0.5),
            "database": database(
                active=9.0, hit_ratio=0.7, waits={"IO:DataFileRead": 7.0, "CPU": 1.5}
            ),
            "machines": machines(db1={"io_some": 0.8, "refaults": 900.0}),
        },
        statements=indexed(0.9),
    )
    assert said(given) == (BOTTLENECK, Place.QUERY, Remedy.INDEX)


@pytest.mark.parametrize(("queries", "share"), [(25.0, 0.5), (60.0, 0.7), (300.0, 0.9)])
def test_14_a_query_for_each_row(queries: float, share: float) -> None:
    parts = parts_with(
        part(Kind.PROCESSOR, "web1", 2, 50, 40, APP, shares={APP: 0.95, "nginx": 0.05}),
        part(Kind.WORKERS, "web1", 3, 80, 40, APP, APP),
        part(Kind.PROCESSOR, "db1", 2, 110, 40, DB),
    )
    chatty = view("shop:list", share, queries=queries, database=share * 1000 * queries * 0.0007)
    given = failing(
        40,
        {
            "parts": saturate(parts, 50),
            "split": split(queue=0.4, database=0.03, waiting=0.03),
            "views": [view("shop:item", 1 - share), chatty],
        },
        parts=parts,
        views=[view("shop:item", 1 - share), chatty],
    )
    assert said(given) == (BOTTLENECK, Place.VIEW, Remedy.VIEW)
    assert advise(given).where == "shop:list"


@pytest.mark.parametrize("share", [0.6, 0.85, 0.95])
def test_15_the_same_pages_for_visitors_without_a_cookie(share: float) -> None:
    parts = parts_with(
        part(Kind.PROCESSOR, "web1", 2, 50, 40, APP, shares={APP: 0.95, "nginx": 0.05}),
        part(Kind.WORKERS, "web1", 3, 80, 40, APP, APP),
    )
    given = failing(
        40,
        {"parts": saturate(parts, 50), "split": split(queue=0.5, waiting=0.04)},
        parts=parts,
        replays=[
            Replay("/report/", "shop:report", 10.0, 900, 850, 20.0, share),
            Replay("/report/", "shop:report", 1.0, 900, 500, 12.0, share * 0.6),
        ],
    )
    advice = advise(given)
    assert said(given) == (BOTTLENECK, Place.VIEW, Remedy.MICROCACHE)
    assert advice.change is not None
    assert advice.change.edits[0].values == [
        ("project.microcache", [{"path": "/report/", "seconds": 10}])
    ]


@pytest.mark.parametrize(
    "signs",
    [
        {"limit_hits": 30.0, "major_faults": 60.0, "refaults": 500.0},
        {"swapped_in": 400.0, "memory_full": 0.2, "major_faults": 200.0},
        {"killed": 1.0, "limit_hits": 80.0, "memory_full": 0.5},
    ],
)
def test_16_too_little_memory(signs: dict[str, float]) -> None:
    parts = parts_with(part(Kind.PROCESSOR, "web1", 2, 50, 40, APP))
    given = failing(
        25,
        {
            "parts": saturate(parts, 47),
            "split": split(queue=0.8, computing=0.02, unexplained=0.2),
            "machines": machines(web1={"busy": 1.9, "memory_available_mb": 20.0, **signs}),
        },
        parts=parts,
    )
    assert said(given) == (BOTTLENECK, Place.MEMORY, Remedy.MEMORY)


@pytest.mark.parametrize("seconds", [0.1, 0.5, 3.0])
def test_17_a_slow_server_elsewhere(seconds: float) -> None:
    full = 12 / (seconds + 0.02)
    knee = min(0.8 * full, 100.0)
    parts = parts_with(part(Kind.THREADS, "web1", 12, full, knee, APP, APP), rate=knee)
    slow = [*views()[:3], view("shop:pay", 0.25, outside=250 * seconds, app=250 * seconds + 5)]
    given = failing(
        knee,
        {
            "parts": saturate(parts, full),
            "split": split(queue=seconds, outside=seconds),
            "views": slow,
        },
        parts=parts,
        views=slow,
    )
    assert said(given) == (Verdict.OUTSIDE, Place.OUTSIDE, Remedy.BACKGROUND)
    assert advise(given).where == "shop:pay"


@pytest.mark.parametrize("delay", [0.002, 0.01, 0.05])
def test_18_a_delay_between_django_and_its_database(delay: float) -> None:
    full = 12 / (0.02 + 4 * delay)
    knee = min(0.8 * full, 100.0)
    parts = parts_with(part(Kind.THREADS, "web1", 12, full, knee, APP, APP), rate=knee)
    given = failing(
        knee,
        {
            "parts": saturate(parts, min(full, 120)),
            "split": split(queue=0.3, database=0.006 + 4 * delay),
            "database": database(active=0.4, waits={"CPU": 0.3, "Client:ClientRead": 0.1}),
            "machines": machines(web1={"round_trips": {"db1": delay + 0.0002}}),
        },
        parts=parts,
    )
    assert said(given) == (BOTTLENECK, Place.NETWORK, Remedy.NETWORK)


@pytest.mark.parametrize(("loss", "lost"), [(0.01, 0.015), (0.03, 0.06), (0.1, 0.3)])
def test_19_loss_between_django_and_its_database(loss: float, lost: float) -> None:
    given = failing(
        40,
        {
            "split": split(queue=0.2, database=0.007 + lost, connecting=0.001),
            "database": database(active=0.3),
            "machines": machines(
                web1={"retransmitted": loss / 4, "peers_retransmitted": {"db1": loss}},
                db1={"peers_retransmitted": {"web1": loss}},
            ),
        },
    )
    assert said(given) == (BOTTLENECK, Place.NETWORK, Remedy.NETWORK)


def test_19_a_slow_query_is_no_slow_network() -> None:
    """The acknowledgement comes with the answer: a round trip looks as long as a query."""
    parts = parts_with(part(Kind.THREADS, "web1", 12, 60, 45, APP, APP))
    given = failing(
        45,
        {
            "parts": saturate(parts, 60),
            "split": split(queue=0.3, database=0.16),
            "database": database(active=9.0, waits={"Timeout:PgSleep": 8.6, "CPU": 0.4}),
            "machines": machines(web1={"round_trips": {"db1": 0.035}}),
        },
        parts=parts,
    )
    assert said(given) == (BOTTLENECK, Place.THREADS, Remedy.THREADS)


@pytest.mark.parametrize("seconds", [0.3, 2.0, 20.0])
def test_20_slow_visitors(seconds: float) -> None:
    given = failing(20, {"split": split(nginx=seconds), "bytes_sent": 3.0}, bytes_sent=3.0)
    assert said(given) == (Verdict.OUTSIDE, Place.VISITORS, Remedy.NETWORK)


@pytest.mark.parametrize(("evicted", "misses"), [(30.0, 40.0), (200.0, 120.0), (900.0, 390.0)])
@pytest.mark.parametrize("full", [Kind.SERVICE, Kind.PROCESSOR])
def test_21_a_redis_that_is_too_small(evicted: float, misses: float, full: Kind) -> None:
    name, service = ("web1", APP) if full == Kind.SERVICE else ("db1", DB)
    parts = parts_with(
        part(full, name, 1, 50, 40, service, service if full == Kind.SERVICE else "")
    )
    services = {"nginx": ["web1"], APP: ["web1"], DB: ["db1"], "redis": ["web1"]}
    given = failing(
        40,
        {
            "parts": saturate(parts, 50),
            "split": split(queue=0.3, caching=0.002),
            "redis": {
                "evicted": evicted,
                "hits": 400 - misses,
                "misses": misses * 1.2,
                "memory_mb": 2.0,
                "limit_mb": 2.0,
            },
        },
        site=site(tiers=["redis"], services=services, redis_memory_mb=2.0),
        parts=parts,
    )
    if misses < 100:  # to mend that gains less than a tenth
        assert Remedy.REDIS_MEMORY in [change.remedy for change in advise(given).others]
    else:
        assert said(given) == (BOTTLENECK, Place.REDIS_MEMORY, Remedy.REDIS_MEMORY)


@pytest.mark.parametrize(("app", "db"), [(50, 50), (50, 55), (56, 50)])
def test_22_two_parts_that_are_full_together(app: float, db: float) -> None:
    parts = parts_with(
        part(Kind.PROCESSOR, "web1", 2, app, 40, APP, lowest=0.5),
        part(Kind.WORKERS, "web1", 3, 80, 40, APP, APP),
        part(Kind.PROCESSOR, "db1", 2, db, 40, DB, lowest=0.5),
    )
    given = failing(
        40,
        {
            "parts": saturate(parts, 50),
            "split": split(queue=0.5, waiting=0.05, database=0.1),
            "database": database(active=6.0, waits={"CPU": 6.0}),
        },
        parts=parts,
        certain=0.55,
    )
    advice = advise(given)
    assert (advice.verdict, advice.place) == (Verdict.TWO, Place.SEVERAL)
    assert "web1" in advice.where
    assert "PostgreSQL on db1" in advice.where
    assert advice.change is not None
    tiers = dict(value for edit in advice.change.edits for value in edit.values)["tiers"]
    assert tiers == ["replicas", "app_servers"]


@pytest.mark.parametrize("rate", [5.0, 40.0, 95.0])
def test_23_nothing(rate: float) -> None:
    given = evidence(
        rate=rate, rate_django=rate, sustained=rate, parts=build.quiet_parts(rate), load=None
    )
    advice = advise(given)
    assert said(given) == (Verdict.NOTHING, Place.NOWHERE, Remedy.NOTHING)
    assert advice.change is None
