"""Which of several findings is named, and what an advice says beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from espalier.insight.advice import Place, Remedy, Verdict
from espalier.insight.advise import advise
from espalier.insight.baselines import BASELINES
from espalier.insight.evidence import Evidence, Kind, Replay
from espalier.insight.recording import Statement
from tests.unit.insight.evidence_builder import (
    database,
    evidence,
    failing,
    machine,
    part,
    parts_with,
    quiet_parts,
    said,
    saturate,
    site,
    split,
    view,
    views,
)

APP, DB = "django", "postgresql_primary"


def shared(django: float, base: float, bound: float = 50.0, **changes: Any) -> Evidence:
    """One machine with everything, full; of its time Django and PostgreSQL have such shares."""
    shares = {APP: django, DB: base, "nginx": 1 - django - base}
    most = max(shares, key=lambda one: shares[one])
    parts = [
        part(Kind.PROCESSOR, "vps1", 2, bound, 40, most, shares=shares),
        part(Kind.WORKERS, "vps1", 2, bound / django * 1.02, 40, APP, APP),
        part(Kind.THREADS, "vps1", 12, 55, 40, APP, APP),
    ]
    services = ("nginx", APP, DB)
    everything = {"vps1": machine("vps1", services=services, busy=1.9)}
    given: dict[str, Any] = {
        "site": site(
            tiers=[],
            duties={"web": ["vps1"], "app": ["vps1"], "db": ["vps1"]},
            services={one: ["vps1"] for one in services},
            addresses={"vps1": "10.0.0.10"},
            workers={"vps1": 3},
            threads={"vps1": 4},
            prices={"vps1": 5.0},
            currency="EUR",
        ),
        "parts": parts,
        "machines": everything,
        "database": database(machine="vps1"),
    }
    return failing(
        40,
        {"parts": saturate(parts, bound), "split": split(queue=0.5), "machines": everything},
        **(given | changes),
    )


def test_django_on_the_databases_machine_gets_a_further_machine() -> None:
    advice = advise(shared(0.75, 0.2))
    assert (advice.place, advice.where) == (Place.APP_PROCESSOR, "vps1")
    assert advice.change is not None
    assert advice.change.remedy == Remedy.APP_SERVERS
    values = dict(value for edit in advice.change.edits for value in edit.values)
    assert values["tiers"] == ["app_servers"]
    assert values["all.children.app.hosts"] == {"vps1": None, "app2": None}
    assert Remedy.SPLIT_MACHINES in [one.remedy for one in advice.others]


def test_prices_say_what_more_requests_cost() -> None:
    advice = advise(shared(0.75, 0.2))
    assert advice.change is not None
    assert advice.change.gain is not None
    assert advice.change.gain.value == 2.0
    assert advice.change.cost == 5.0
    assert advice.change.per_thousand == 2.08  # 40 requests/s more are 2,400 a minute
    assert advice.currency == "EUR"


def test_a_database_that_takes_most_of_a_shared_machine_gets_replicas_or_is_left_alone() -> None:
    advice = advise(shared(0.25, 0.7))
    assert (advice.place, advice.where) == (Place.DATABASE_PROCESSOR, "PostgreSQL on vps1")
    remedies = [one.remedy for one in (advice.change, *advice.others) if one]
    assert remedies[:2] == [Remedy.REPLICAS, Remedy.SPLIT_MACHINES]


def test_a_database_that_writes_never_gets_replicas_on_a_shared_machine_either() -> None:
    advice = advise(shared(0.25, 0.7, database=database(machine="vps1", reads_share=0.1)))
    remedies = [one.remedy for one in (advice.change, *advice.others) if one]
    assert advice.place == Place.DATABASE_WRITES
    assert Remedy.REPLICAS not in remedies


def test_stolen_time_is_the_hosts() -> None:
    parts = parts_with(part(Kind.PROCESSOR, "web1", 1.5, 50, 40, APP))
    stolen = {"web1": machine("web1", steal=0.25, busy=1.45), "db1": machine("db1")}
    given = failing(
        40,
        {"parts": saturate(parts, 50), "machines": stolen, "split": split(queue=0.5)},
        parts=parts,
        machines=stolen,
    )
    assert said(given) == (Verdict.BOTTLENECK, Place.HOST, Remedy.LARGER_MACHINE)


def test_a_machine_whose_own_quota_is_full_is_full_like_any_other() -> None:
    parts = parts_with(part(Kind.PROCESSOR, "web1", 0.5, 50, 40, APP))
    small = {
        "web1": machine("web1", cores=0.5, busy=0.49, throttled=0.6),
        "db1": machine("db1"),
    }
    given = failing(
        40,
        {"parts": saturate(parts, 50), "machines": small, "split": split(queue=0.5)},
        site=site(workers={"web1": 2}),
        parts=parts,
        machines=small,
    )
    assert said(given) == (Verdict.BOTTLENECK, Place.APP_PROCESSOR, Remedy.APP_SERVERS)


def test_a_cache_that_gains_less_than_a_tier_stands_behind_it() -> None:
    parts = parts_with(part(Kind.PROCESSOR, "web1", 2, 50, 40, APP))
    given = failing(
        40,
        {"parts": saturate(parts, 50), "split": split(queue=0.5)},
        parts=parts,
        replays=[Replay("/report/", "shop:report", 10.0, 900, 380, 9.0, 0.4)],
        load=None,
    )
    advice = advise(given)
    assert advice.change is not None
    assert advice.change.remedy == Remedy.APP_SERVERS
    assert Remedy.MICROCACHE in [one.remedy for one in advice.others]


def test_the_prefix_of_a_cache_covers_all_pages_of_its_view() -> None:
    parts = parts_with(part(Kind.PROCESSOR, "web1", 2, 50, 40, APP))
    found = view("shop:item", 0.9, paths=("/item/1/", "/item/22/", "/item/*/"))
    given = failing(
        40,
        {"parts": saturate(parts, 50), "split": split(queue=0.5)},
        parts=parts,
        views=[found, view("shop:front", 0.1)],
        replays=[
            Replay("/item/1/", "shop:item", 60.0, 900, 880, 21.0, 0.9),
            Replay("/item/1/", "shop:item", 10.0, 900, 850, 20.0, 0.88),
        ],
    )
    advice = advise(given)
    assert advice.change is not None
    assert advice.change.edits[0].values == [
        ("project.microcache", [{"path": "/item/", "seconds": 10}])
    ]


def test_too_little_load_says_so_and_nothing_else() -> None:
    given = evidence(enough=False, why_not="Django answered 12 requests.")
    advice = advise(given)
    assert said(given) == (Verdict.UNKNOWN, Place.NOWHERE, Remedy.NOTHING)
    assert advice.sentence == "Django answered 12 requests."
    assert (advice.limit, advice.ruled_out) == (None, [])


def test_a_site_that_fails_with_nothing_full_is_not_explained() -> None:
    given = failing(40, {"split": split(), "slow": 0.9})
    assert said(given) == (Verdict.UNEXPLAINED, Place.NOWHERE, Remedy.NOTHING)


def test_long_quiet_production_could_go_smaller() -> None:
    quiet = {"purpose": "measure", "seconds": 86400.0, "load": None}
    given = evidence(**quiet, rate=10.0, rate_django=10.0, sustained=10.0, parts=quiet_parts(10.0))
    assert said(given) == (Verdict.SMALLER, Place.NOWHERE, Remedy.SMALLER)


def test_a_heavy_view_of_a_site_that_is_well_is_no_bottleneck() -> None:
    chatty = view("shop:list", 0.8, queries=60.0, database=20.0)
    given = evidence(views=[chatty, view("shop:front", 0.2)], statements=[])
    advice = advise(given)
    assert advice.verdict == Verdict.NOTHING
    assert [one.remedy for one in advice.others][:1] == [Remedy.VIEW]


def test_few_lost_segments_of_a_site_that_is_well_are_no_bottleneck() -> None:
    lossy = {
        "web1": machine("web1", peers_retransmitted={"db1": 0.01}),
        "db1": machine("db1"),
    }
    assert said(evidence(machines=lossy))[0] == Verdict.NOTHING


def test_locks_that_are_held_for_lack_of_processor_time_are_no_cause() -> None:
    parts = parts_with(part(Kind.PROCESSOR, "db1", 1, 48, 40, DB))
    given = failing(
        40,
        {
            "parts": saturate(parts, 48),
            "split": split(queue=0.4, database=0.2),
            "database": database(active=9.0, waits={"CPU": 7.0, "Lock:transactionid": 2.0}),
        },
        parts=parts,
    )
    assert advise(given).place == Place.DATABASE_PROCESSOR


def test_threads_are_a_symptom_where_a_processor_is_full() -> None:
    parts = parts_with(
        part(Kind.PROCESSOR, "db1", 1, 48, 40, DB),
        part(Kind.THREADS, "web1", 12, 45, 40, APP, APP),
    )
    given = failing(
        40,
        {"parts": saturate(parts, 48), "split": split(queue=2.0, database=0.25)},
        parts=parts,
    )
    advice = advise(given)
    assert advice.place == Place.DATABASE_PROCESSOR
    assert Remedy.THREADS not in [one.remedy for one in advice.others]


def test_files_that_nginx_sends_slowly_are_in_no_view() -> None:
    """Views are quick, their visitors wait: large downloads, which Django never sees."""
    given = failing(20, {"split": split(), "slow": 4.0, "views": views()}, bytes_sent=8.0)
    assert said(given) == (Verdict.OUTSIDE, Place.VISITORS, Remedy.NETWORK)


def test_connections_that_the_superuser_keeps_count_as_taken() -> None:
    given = failing(
        30,
        {
            "database": database(max_connections=8, most_connections=5.0, refused=0),
            "errors": 0.1,
        },
        site=site(max_connections=8),
        database=database(max_connections=8, most_connections=5.0),
    )
    assert said(given) == (Verdict.BOTTLENECK, Place.CONNECTIONS, Remedy.PGBOUNCER)


def test_more_threads_do_not_ask_for_more_connections_than_there_are() -> None:
    few = site(threads={"web1": 1}, max_connections=20)
    parts = parts_with(part(Kind.THREADS, "web1", 3, 10, 8, APP, APP), rate=8)
    given = failing(
        8,
        {"parts": saturate(parts, 10), "split": split(queue=0.6, unexplained=0.25)},
        site=few,
        database=database(max_connections=20),
        parts=parts,
    )
    advice = advise(given)
    assert advice.change is not None
    (path, threads) = advice.change.edits[0].values[0]
    assert path == "django_threads"
    assert isinstance(threads, int)
    assert 3 * threads <= 0.8 * 20 + 3


def test_growing_queues_need_workers() -> None:
    given = evidence(queues={"celery": [float(n) for n in range(0, 300, 10)]})
    assert said(given) == (Verdict.BOTTLENECK, Place.QUEUE, Remedy.QUEUE_WORKERS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("highest utilisation wins", (Place.THREADS, Remedy.THREADS)),
        ("always app_servers", (Place.APP_PROCESSOR, Remedy.APP_SERVERS)),
    ],
)
def test_baselines(name: str, expected: tuple[Place, Remedy]) -> None:
    parts = [
        replace(one, busy=one.capacity * (0.99 if one.kind == Kind.THREADS else 0.7))
        for one in quiet_parts()
    ]
    assert BASELINES[name](failing(40, {"parts": parts})) == expected


def test_the_baseline_of_utilisation_names_nothing_below_60_percent() -> None:
    expected = (Place.NOWHERE, Remedy.NOTHING)
    assert BASELINES["highest utilisation wins"](evidence()) == expected


@pytest.mark.parametrize(("threads", "place"), [(46, Place.NETWORK), (90, Place.APP_PROCESSOR)])
def test_what_threads_wait_for_is_named_where_they_run_out_first(
    threads: float, place: Place
) -> None:
    """A processor that is nearly full beside a delay: which of them ends the site's rate?"""
    parts = parts_with(
        part(Kind.PROCESSOR, "web1", 2, 50, 40, APP),
        part(Kind.THREADS, "web1", 12, threads, 40, APP, APP),
    )
    given = failing(
        40,
        {
            "parts": saturate(parts, 46),
            "split": split(queue=0.3, database=0.2),
            "machines": {
                "web1": machine("web1", round_trips={"db1": 0.05}),
                "db1": machine("db1"),
            },
        },
        parts=parts,
    )
    advice = advise(given)
    assert advice.place == place
    network = [one for one in advice.others if one.remedy == Remedy.NETWORK]
    assert [(one.response, one.gain) for one in network] == [(True, None)] * len(network)
    assert bool(network) == (place == Place.APP_PROCESSOR)


def test_a_statement_is_named_only_where_the_database_takes_a_share_of_the_time() -> None:
    statements = [Statement(id="1", text="SELECT 1", calls=100, seconds=9.0)]
    idle = evidence(statements=statements, split=split(database=0.001, unexplained=0.03))
    asked = evidence(statements=statements, split=split(database=0.03))

    assert [one.remedy for one in advise(idle).others] == []
    assert [one.remedy for one in advise(asked).others] == [Remedy.CODE]


def test_what_gains_nothing_is_not_named_beside_the_change() -> None:
    """To take 2% of its work from a full machine gains nothing that a person would see."""
    remedies = [
        [one.remedy for one in advise(shared(django, 1 - django)).others] for django in (0.7, 0.98)
    ]

    assert [Remedy.SPLIT_MACHINES in named for named in remedies] == [True, False]
