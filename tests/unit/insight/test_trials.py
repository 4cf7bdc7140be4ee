"""Trials 1 to 11 of the notes, each as its fault shows itself: verdict, place, remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from espalier.insight.advice import Place, Remedy, Verdict
from espalier.insight.advise import advise
from espalier.insight.evidence import Evidence, Kind
from tests.unit.insight.evidence_builder import (
    database,
    failing,
    machines,
    part,
    parts_with,
    said,
    saturate,
    site,
    split,
)

BOTTLENECK = Verdict.BOTTLENECK
APP, DB = "django", "postgresql_primary"


@pytest.mark.parametrize("quota", [1.5, 1.0, 0.4])
def test_1_a_quota_of_the_application(quota: float) -> None:
    knee = 60 * quota
    full = 75 * quota
    parts = parts_with(
        part(Kind.SERVICE, "web1", quota, full, knee, APP, APP),
        part(Kind.THREADS, "web1", 12, full * 1.4, knee, APP, APP),
        rate=knee,
    )
    limited = {"quotas": {APP: quota}, "busy": quota + 0.1}
    given = failing(
        knee,
        {
            "parts": saturate(parts, full),
            # Threads wait for a core, in every place where they are; the driver's time among it.
            "split": split(queue=1.2, waiting=0.09, database=0.03, unexplained=0.02),
            "machines": machines(web1=limited),
            "database": database(active=0.3, waits={"CPU": 0.2, "Client:ClientRead": 0.1}),
        },
        parts=parts,
        machines=machines(web1=limited),
    )
    assert said(given) == (BOTTLENECK, Place.APP_PROCESSOR, Remedy.APP_SERVERS)


@pytest.mark.parametrize(("cores", "processor"), [(2, 130), (4, 260), (2, 105)])
def test_2_one_worker_process_and_idle_cores(cores: int, processor: float) -> None:
    parts = parts_with(
        part(Kind.PROCESSOR, "web1", cores, processor, 60, APP, shares={APP: 0.9, "nginx": 0.1}),
        part(Kind.WORKERS, "web1", 1, 70, 60, APP, APP),
        part(Kind.THREADS, "web1", 4, 90, 60, APP, APP),
    )
    busy = {"cores": float(cores), "busy": 1.15, "busiest_process": 0.98, "processes": (0.98,)}
    given = failing(
        60,
        {
            "parts": saturate(parts, 70),
            # Threads of one process wait for its lock: in no account but "unexplained".
            "split": split(queue=0.9, computing=0.014, database=0.02, unexplained=0.025),
            "machines": machines(web1=busy),
        },
        site=site(workers={"web1": 1}),
        parts=parts,
        machines=machines(web1=busy),
    )
    assert said(given) == (BOTTLENECK, Place.WORKERS, Remedy.WORKERS)


def test_2_two_workers_that_share_requests_unevenly() -> None:
    parts = parts_with(
        part(Kind.PROCESSOR, "web1", 4, 260, 60, APP, shares={APP: 0.9, "nginx": 0.1}),
        part(Kind.WORKERS, "web1", 2, 100, 60, APP, APP),
    )
    uneven = {"cores": 4.0, "busy": 1.5, "busiest_process": 0.95, "processes": (0.95, 0.3)}
    given = failing(
        60,
        {
            "parts": saturate(parts, 64),
            "split": split(queue=0.2),
            "machines": machines(web1=uneven),
        },
        site=site(workers={"web1": 2}),
        parts=parts,
        machines=machines(web1=uneven),
    )
    assert said(given) == (BOTTLENECK, Place.WORKERS, Remedy.WORKERS)


@pytest.mark.parametrize(("sleep", "held"), [(0.05, 0.97), (0.2, 0.97), (1.0, 0.6)])
def test_3_one_thread_and_a_view_that_sleeps(sleep: float, held: float) -> None:
    full = 3 / (sleep + 0.02)
    threads = part(Kind.THREADS, "web1", 3, full, full * 0.8, APP, APP)
    parts = parts_with(threads, rate=full * 0.8)
    given = failing(
        full * 0.8,
        {
            "parts": [replace(one, busy=3 * held) if one == threads else one for one in parts],
            "split": split(queue=sleep * 2 if held > 0.9 else sleep * 4, unexplained=sleep),
        },
        site=site(threads={"web1": 1}),
        parts=parts,
        split=split(queue=0.02, unexplained=sleep),
    )
    assert said(given) == (BOTTLENECK, Place.THREADS, Remedy.THREADS)


def database_full(kind: Kind, reads: float, cores: float = 0.5) -> Evidence:
    """A database without time; Django's threads are all held by those who wait for it."""
    knee = 40.0
    service = DB if kind == Kind.SERVICE else ""
    parts = parts_with(
        part(kind, "db1", cores, 48, knee, DB, service),
        part(Kind.THREADS, "web1", 12, 60, knee, APP, APP),
    )
    return failing(
        knee,
        {
            "parts": saturate(parts, 48),
            "split": split(queue=0.8, database=0.25, database_waits={"CPU": 0.9}),
            "database": database(
                active=11.5,
                reads_share=reads,
                waits={"CPU": 10.5, "LWLock:BufferContent": 0.6, "IO:WALSync": 0.4},
            ),
            "machines": machines(db1={"busy": cores}),
        },
        parts=parts,
        database=database(reads_share=reads, active=2.0, waits={"CPU": 2.0}),
    )


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.PROCESSOR])
def test_4_a_quota_of_a_database_that_reads(kind: Kind) -> None:
    given = database_full(kind, reads=0.95)
    assert said(given) == (BOTTLENECK, Place.DATABASE_PROCESSOR, Remedy.REPLICAS)


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.PROCESSOR])
def test_5_a_quota_of_a_database_that_writes(kind: Kind) -> None:
    given = database_full(kind, reads=0.15)
    assert said(given) == (BOTTLENECK, Place.DATABASE_WRITES, Remedy.LARGER_MACHINE)
    assert Remedy.REPLICAS not in [change.remedy for change in advise(given).others]


@pytest.mark.parametrize(
    ("refaults", "place", "remedy"),
    [(800.0, Place.MEMORY, Remedy.MEMORY), (0.0, Place.DISK, Remedy.DISK)],
)
def test_6_data_that_is_not_in_memory(refaults: float, place: Place, remedy: Remedy) -> None:
    given = failing(
        30,
        {
            "split": split(queue=0.6, database=0.3),
            "database": database(
                active=9.0, hit_ratio=0.8, waits={"IO:DataFileRead": 7.0, "CPU": 1.5}
            ),
            "machines": machines(db1={"refaults": refaults, "io_some": 0.7, "limit_hits": 0.5}),
        },
    )
    assert said(given) == (BOTTLENECK, place, remedy)


@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.2])
def test_7_a_slow_fsync(seconds: float) -> None:
    given = failing(
        20,
        {
            "split": split(queue=0.3, database=0.01 + 2 * seconds),
            "database": database(
                active=6.0,
                reads_share=0.2,
                sync_wait=seconds,
                commits=25.0,
                waits={
                    "IO:WALSync": 1.0,
                    "LWLock:WALWrite": 3.5,
                    "Lock:transactionid": 1.0,
                    "CPU": 0.3,
                },
            ),
        },
    )
    assert said(given) == (BOTTLENECK, Place.DISK, Remedy.DISK)


@pytest.mark.parametrize("connecting", [0.008, 0.03, 0.1])
def test_8_a_connection_for_each_request(connecting: float) -> None:
    given = failing(
        40,
        {
            "split": split(queue=0.3, connecting=connecting, database=0.008),
            "database": database(sessions=46.0, connections=8.0),
        },
        split=split(connecting=connecting),
        site=site(conn_max_age=0.0),
    )
    assert said(given) == (BOTTLENECK, Place.CONNECTIONS, Remedy.PGBOUNCER)
    assert advise(given).others[0].remedy == Remedy.KEEP_CONNECTIONS


def test_8_the_same_where_connecting_fills_the_database_processor() -> None:
    parts = parts_with(part(Kind.PROCESSOR, "db1", 2, 50, 40, DB))
    given = failing(
        40,
        {
            "parts": saturate(parts, 50),
            "split": split(queue=0.5, connecting=0.09, database=0.03),
            "database": database(sessions=48.0, active=6.0, waits={"CPU": 6.0}),
        },
        parts=parts,
        split=split(connecting=0.03),
    )
    assert said(given) == (BOTTLENECK, Place.CONNECTIONS, Remedy.PGBOUNCER)


@pytest.mark.parametrize(("refused", "errors"), [(40, 0.02), (600, 0.2), (2000, 0.7)])
def test_9_too_few_connections_allowed(refused: int, errors: float) -> None:
    few = {"max_connections": 8, "connections": 7.5, "most_connections": 8.0}
    given = failing(
        30,
        {"database": database(refused=refused, **few), "errors": errors},
        site=site(max_connections=8),
        database=database(**few),
    )
    assert said(given) == (BOTTLENECK, Place.CONNECTIONS, Remedy.PGBOUNCER)


@pytest.mark.parametrize(("waiting", "waited"), [(1.0, 1.0), (6.0, 6.0), (10.0, 10.0)])
def test_10_a_pool_of_two(waiting: float, waited: float) -> None:
    full = 46.5
    parts = parts_with(
        part(Kind.POOL, "db1", 2, 50, 40, "pgbouncer", "pgbouncer"),
        part(Kind.THREADS, "web1", 12, 55, 40, APP, APP),
    )
    given = failing(
        40,
        {
            "parts": saturate(parts, full),
            "split": split(queue=0.2, database=0.04 + waited / full),
            "pool": {"clients_waiting": waiting, "waited": waited, "servers_active": 2.0},
            "database": database(active=1.1, waits={"CPU": 1.1}),
        },
        site=site(tiers=["pgbouncer", "app_servers"], pool_size=2),
        parts=parts,
    )
    assert said(given) == (BOTTLENECK, Place.POOL, Remedy.LARGER_POOL)
    assert advise(given).change.edits[0].values == [("pgbouncer_pool_size", 10)]  # type: ignore[union-attr]


@pytest.mark.parametrize("active", [24.0, 60.0, 150.0])
def test_11_a_pool_of_two_hundred_on_two_cores(active: float) -> None:
    parts = parts_with(
        part(Kind.PROCESSOR, "db1", 2, 50, 40, DB),
        part(Kind.THREADS, "web1", 240, 300, 40, APP, APP),
    )
    given = failing(
        40,
        {
            "parts": saturate(parts, 50),
            "split": split(database=active / 50),
            "pool": {"clients_waiting": 0.0, "waited": 0.0, "servers_active": active},
            "database": database(
                active=active, waits={"CPU": active * 0.8, "LWLock:ProcArray": active * 0.2}
            ),
            "machines": machines(db1={"busy": 2.0}),
        },
        site=site(tiers=["pgbouncer"], pool_size=200, workers={"web1": 8}, threads={"web1": 30}),
        parts=parts,
    )
    assert said(given) == (BOTTLENECK, Place.POOL, Remedy.SMALLER_POOL)
    assert advise(given).change.edits[0].values == [("pgbouncer_pool_size", 10)]  # type: ignore[union-attr]
