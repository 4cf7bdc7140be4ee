"""Measurements to make reports of: a limit, nothing to change, and little that is known."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

from espalier.insight.advice import Advice, Change, Edit, Place, Remedy, Verdict
from espalier.insight.evidence import (
    Database,
    Evidence,
    Interval,
    Kind,
    MachineEvidence,
    Part,
    Split,
    View,
)
from espalier.insight.readings import Processor, Sample
from espalier.insight.recording import (
    Index,
    Load,
    Machine,
    Recording,
    Request,
    SiteFacts,
    Statement,
    Step,
)
from espalier.insight.report.given import Given
from espalier.insight.report.past import Proof
from espalier.insight.trend import Trend

BEGAN = 1796098500.0  # 2026-12-01 04:15:00 UTC


def part(name: str, kind: Kind, bound: float, **more: Any) -> Part:
    """A part with an interval of 7% to both sides."""
    capacity = more.pop("capacity", 2.0)
    given: dict[str, Any] = {
        "machines": ("vps1",),
        "service": "django",
        "busiest": "django",
        "busy": capacity * min(41 / bound, 1.0),
        "demand": capacity / bound,
        "bound": Interval(bound * 0.93, bound, bound * 1.07),
    } | more
    return Part(name=name, kind=kind, capacity=capacity, **given)


def view(name: str, path: str, requests: int, app: float, **more: Any) -> View:
    """A view whose time is half computing and a third database."""
    given: dict[str, Any] = {
        "paths": (path,),
        "method": "GET",
        "cpu": app / 2,
        "database": app / 3,
        "queries": 4.0,
        "outside": 0.0,
        "caching": 0.0,
        "writes": 0.0,
        "personal": 0.2,
        "errors": 0,
        "p50": app / requests,
        "p95": 3 * app / requests,
    } | more
    return View(name=name, requests=requests, app=app, **given)


def step(offered: float, achieved: float, p95: float, passed: bool = True) -> Step:
    """A step of a minute."""
    return Step(
        offered=offered,
        began=BEGAN,
        ended=BEGAN + 60,
        sent=round(offered * 60),
        answered=round(achieved * 60),
        failed=0,
        p50=p95 / 3,
        p95=p95,
        p99=p95 * 1.3,
        lag=0.001,
        passed=passed,
    )


def samples(mean: float, swing: float, cores: float, count: int = 600) -> list[Sample]:
    """Seconds in which a machine is busy, up and down."""
    return [
        Sample(
            t=BEGAN + second,
            dt=1.0,
            processor=Processor(
                busy=cores * min(1.0, mean + swing * math.sin(second / 40) + 0.04 * (second % 3))
            ),
        )
        for second in range(count)
    ]


def requests(count: int, seconds: float) -> list[Request]:
    """Requests at even distances, twice as many in the third minute."""
    moments = [index * seconds / count for index in range(count)]
    moments += [one + 0.01 for one in moments if 120 <= one < 180]
    return [
        Request(
            BEGAN + moment, "/", "k", "GET", 200, 9000, 0.12, 0.11, 0.0, "", False, "",
            "garden:tree", 0.1, 0.05, 0.01, 0.03, 4, 0, 0, 0.0, 0.001, 1, 0, 0.0, 7,
        )
        for moment in moments
    ]  # fmt: skip


SITE = SiteFacts(
    project="orchard",
    tiers=[],
    duties={"app": ["vps1"], "database": ["vps1"]},
    services={"vps1": ["nginx", "django", "postgresql_primary"]},
    workers={"vps1": 3},
    threads={"vps1": 4},
    prices={"vps1": 6.4},
    currency="EUR",
)
STATEMENTS = [
    Statement(
        id="1",
        text='SELECT "garden_tree"."id", "garden_tree"."name" FROM "garden_tree" '
        'WHERE "garden_tree"."planted" > $1 ORDER BY "garden_tree"."name" LIMIT $2',
        calls=24_600,
        seconds=61.2,
        origins={"garden:tree at garden/views.py:41": 212, "search at garden/search.py:12": 9},
        index=Index(
            statement='CREATE INDEX CONCURRENTLY ON "garden_tree" ("planted")',
            cost=1840.0,
            cost_with=212.0,
        ),
    ),
    Statement(id="2", text='UPDATE "garden_visit" SET "count" = $1', calls=900, seconds=14.0),
    Statement(id="3", text='SELECT COUNT(*) FROM "garden_tree"', calls=4_100, seconds=9.5),
    Statement(id="4", text="SELECT s FROM django_session WHERE k = $1", calls=9000, seconds=4.1),
    Statement(id="5", text="COMMIT", calls=800, seconds=0.4),
]
VIEWS = [
    view("garden:search", "/search/", 3_060, 498.0, queries=31.0),
    view("garden:tree", "/trees/*/", 9_200, 232.0),
    view("garden:list", "/trees/", 7_400, 118.0),
    view("accounts:login", "/login/", 610, 44.0),
    view("garden:feed", "/feed/", 2_100, 19.0),
    view("admin:index", "/admin/", 40, 8.0),
]
SPLIT = Split(
    total=0.182,
    nginx=0.004,
    queue=0.058,
    computing=0.061,
    waiting=0.021,
    database=0.024,
    connecting=0.003,
    caching=0.002,
    outside=0.0,
    unexplained=0.009,
    database_waits={"CPU": 1.4, "IO:DataFileRead": 0.4, "Lock:transactionid": 0.02},
)
PARTS = [
    part("application's processor on vps1", Kind.PROCESSOR, 41.0, lowest=0.92),
    part("threads on vps1", Kind.THREADS, 66.0, capacity=12.0),
    part("worker processes on vps1", Kind.WORKERS, 79.0, capacity=3.0),
    part("PostgreSQL on vps1", Kind.SERVICE, 118.0, service="postgresql_primary"),
    part("connections of PostgreSQL", Kind.CONNECTIONS, 340.0, capacity=100.0),
    part("disk of vps1", Kind.DISK, 1900.0, capacity=1.0, service=""),
]
HOSTS = Edit(
    file="hosts.yml",
    removed=["    tiers: []"],
    added=["    tiers: [app_servers]", "    app: {hosts: {vps1: , app2: }}"],
    below="  vars:",
)
APP_SERVERS = Change(
    remedy=Remedy.APP_SERVERS,
    place=Place.APP_PROCESSOR,
    sentence="Let a second machine run Django: add app2 to hosts.yml and to the duty app.",
    edits=[HOSTS],
    then=["espalier site -e production", "espalier prove -e production"],
    gain=Interval(1.66, 1.85, 2.0),
    after=Interval(68.0, 76.0, 82.0),
    next_limit="the threads of the web servers",
    share=0.46,
    cost=6.4,
    per_thousand=3.05,
)
OTHERS = [
    Change(
        remedy=Remedy.VIEW,
        place=Place.VIEW,
        sentence="Mend the view garden:search, which takes 54% of Django's time: it sends 31 "
        "queries for each request.",
        where="garden/views.py:88, garden.views.search",
        gain=Interval(1.4, 1.7, 2.1),
        share=0.54,
    ),
    Change(
        remedy=Remedy.INDEX,
        place=Place.QUERY,
        sentence="Add an index on garden_tree.planted.",
        statement='CREATE INDEX CONCURRENTLY ON "garden_tree" ("planted");',
        share=0.07,
        response=True,
    ),
    Change(
        remedy=Remedy.MICROCACHE,
        place=Place.APP_PROCESSOR,
        sentence="Let nginx keep /trees/ for 5 seconds.",
        edits=[Edit("group_vars/all/project.yml", [], ["microcache: {/trees/: 5}"])],
        gain=Interval(1.1, 1.15, 1.2),
        after=Interval(45.0, 47.0, 49.0),
        share=0.12,
    ),
]
ADVICE = Advice(
    verdict=Verdict.BOTTLENECK,
    place=Place.APP_PROCESSOR,
    where="vps1",
    sentence="The processor of vps1 is full: Django answers at most 41 requests/s (38–44).",  # noqa: RUF001
    certainty=0.92,
    limit=Interval(38.0, 41.0, 44.0),
    evidence=[
        "2.0 of 2.0 cores are busy, and 78% of that is Django.",
        "A request waits 32% of its time in the queue in front of Django.",
        "PostgreSQL could answer 118 requests/s.",
    ],
    change=APP_SERVERS,
    others=OTHERS,
    ruled_out=["disk", "memory", "locks", "network between machines"],
    currency="EUR",
)
STEPS = [
    step(16, 16, 0.11),
    step(20, 20, 0.115),
    step(25, 25, 0.12),
    step(31.2, 31, 0.16),
    step(39, 38.6, 0.29),
    step(48.8, 41.2, 1.9, passed=False),
]
PROOFS = [
    Proof(
        "2026-11-28", "database, 2026-11-28", "confirmed", "throughput", 31.0, 41.0,
        Interval(1.2, 1.35, 1.5), Interval(1.27, 1.32, 1.38),
    ),
    Proof(
        "2026-11-22", "workers for worker processes, 2026-11-22", "confirmed", "throughput", 14.0,
        31.0, Interval(1.8, 2.0, 2.1), Interval(2.1, 2.2, 2.3),
    ),
    Proof(
        "2026-11-11", "redis for application processor, 2026-11-11", "not confirmed",
        "response time", 0.14, 0.142, None, Interval(0.93, 0.99, 1.04),
    ),
]  # fmt: skip


def evidence(**more: Any) -> Evidence:
    """Evidence of the application's processor as the limit."""
    given: dict[str, Any] = {
        "site": SITE,
        "purpose": "load",
        "seconds": 600.0,
        "rate": 41.0,
        "rate_django": 41.0,
        "sustained": 39.0,
        "failed": True,
        "enough": True,
        "why_not": "",
        "parts": PARTS,
        "certain": 0.92,
        "split": SPLIT,
        "views": VIEWS,
        "database": Database(machine="vps1"),
        "machines": dict[str, MachineEvidence](),
        "statements": STATEMENTS,
        "load": Load(
            profile="like production",
            steps=STEPS,
            knee=39.0,
            ended="It ended at 49 requests/s: p95 was above three times that of the first step.",
        ),
        "slow": 0.29,
        "quick": 0.11,
        "errors": 0.0004,
    } | more
    return Evidence(**given)


def recording(load: Load | None, machines: dict[str, Machine]) -> Recording:
    """A recording of ten minutes."""
    return Recording(
        id="20261201-041500-3f2a",
        made="2026-12-01T04:25:00Z",
        kit="0.15.0",
        environment="production",
        purpose="load" if load else "measure",
        began=BEGAN,
        ended=BEGAN + 600,
        site=SITE,
        machines=machines,
        load=load,
    )


def machine(mean: float = 0.75, swing: float = 0.18, **more: Any) -> Machine:
    """A machine with two cores and ten minutes of samples."""
    given: dict[str, Any] = {"cost": {"cpu": 0.011, "memory_mb": 14.0}} | more
    return Machine(
        cores=2.0,
        memory_mb=3900.0,
        services=["nginx", "django"],
        samples=samples(mean, swing, 2.0),
        **given,
    )


def limited() -> Given:
    """One machine whose processor is full under a load, with proofs of earlier changes."""
    found = evidence()
    machines = {"vps1": machine(), "db1": machine(0.2, 0.1), "cache1": machine(0.04, 0.02)}
    return Given(recording(found.load, machines), found, ADVICE, PROOFS)


def idle() -> Given:
    """Production with quick answers, and nothing that is strained."""
    found = evidence(
        purpose="measure",
        load=None,
        failed=False,
        rate=9.0,
        sustained=9.0,
        slow=0.12,
        errors=0.0,
        parts=[replace(part, busy=part.capacity * 9 / part.bound.value) for part in PARTS],
    )
    advice = Advice(
        verdict=Verdict.NOTHING,
        place=Place.NOWHERE,
        where="",
        sentence="Answers are quick and no part is strained: change nothing.",
        certainty=0.0,
        limit=Interval(38.0, 41.0, 44.0),
        evidence=["95 of 100 requests take less than 120 ms.", "The fullest part is at 22%."],
        change=None,
        ruled_out=["disk", "memory"],
    )
    machines = {"vps1": machine(0.2, 0.05, requests=requests(5400, 600))}
    peaks = {date(2026, 11, 28 + after): 9.0 + after for after in range(3)}
    rising = Trend(peaks, 0.4, date(2027, 3, 14))
    return Given(recording(None, machines), found, advice, trend=rising)


def unknown() -> Given:
    """A measurement of a site to which nobody came, without times of Django."""
    found = evidence(
        purpose="measure",
        load=None,
        failed=False,
        rate=0.0,
        rate_django=0.0,
        sustained=0.0,
        enough=False,
        why_not="No request came in 10 minutes.",
        parts=[],
        certain=0.0,
        split=Split(),
        views=[],
        statements=[],
        slow=0.0,
        errors=0.0,
        timing=False,
    )
    advice = Advice(
        verdict=Verdict.UNKNOWN,
        place=Place.NOWHERE,
        where="",
        sentence="No request came in 10 minutes: there is nothing to judge.",
        certainty=0.0,
        limit=None,
        evidence=[],
        change=None,
    )
    errors = ["pg_stat_statements could not be read: the extension is not there."]
    empty = Machine(cores=2.0, memory_mb=3900.0, services=["nginx"], errors=errors)
    return Given(recording(None, {"vps1": empty}), found, advice)
