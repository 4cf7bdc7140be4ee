"""Evidence by hand: a quiet site of two machines, and what a fault changes in it.

web1 has nginx and Django (two cores, three workers of four threads), db1 PostgreSQL (two cores). At
40 requests/s a request takes 25 ms; every part has at least three times as much to give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from espalier.insight.advice import Place, Remedy, Verdict
from espalier.insight.advise import advise
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
from espalier.insight.recording import Load, SiteFacts, Step

RATE = 40.0


def around(value: float, spread: float = 0.07) -> Interval:
    """An interval with the same distance to both sides."""
    return Interval(value * (1 - spread), value, value * (1 + spread))


def site(**changes: Any) -> SiteFacts:
    """What the inventory says of the two machines."""
    given: dict[str, Any] = {
        "project": "shop",
        "tiers": ["app_servers"],
        "duties": {"web": ["web1"], "app": ["web1"], "db": ["db1"]},
        "services": {"nginx": ["web1"], "django": ["web1"], "postgresql_primary": ["db1"]},
        "addresses": {"web1": "10.0.0.10", "db1": "10.0.0.11"},
        "workers": {"web1": 3},
        "threads": {"web1": 4},
        "max_connections": 100,
    }
    return SiteFacts(**(given | changes))


def machine(name: str, **changes: Any) -> MachineEvidence:
    """A machine with two cores and 2 GiB, of which little is used."""
    services = ("nginx", "django") if name.startswith(("web", "app")) else ("postgresql_primary",)
    given: dict[str, Any] = {
        "name": name,
        "cores": 2.0,
        "memory_mb": 2048.0,
        "services": services,
        "busy": 0.5,
        "steal": 0.0,
        "throttled": 0.0,
        "service_memory_mb": {},
        "service_faults": {},
        "quotas": {},
        "memory_limits": {},
        "busiest_process": 0.2,
        "processes": (0.2, 0.1, 0.1),
        "memory_full": 0.0,
        "memory_available_mb": 900.0,
        "swapped_in": 0.0,
        "major_faults": 0.0,
        "refaults": 0.0,
        "limit_hits": 0.0,
        "killed": 0.0,
        "io_full": 0.0,
        "io_some": 0.0,
        "sent_mb": 1.0,
        "received_mb": 1.0,
        "retransmitted": 0.0,
        "round_trips": {"db1": 0.0002} if name != "db1" else {"web1": 0.0002},
        "peers_retransmitted": {},
        "listen_queue": 0.0,
    }
    return MachineEvidence(**(given | changes))


def part(
    kind: Kind,
    machine_name: str,
    capacity: float,
    bound: float,
    rate: float = RATE,
    busiest: str = "",
    service: str = "",
    spread: float = 0.07,
    **changes: Any,
) -> Part:
    """A part whose demand follows from its bound, and its busy units from a rate."""
    demand = capacity / bound
    given: dict[str, Any] = {
        "name": f"{kind.value} of {machine_name}" + (f" ({service})" if service else ""),
        "kind": kind,
        "machines": (machine_name,),
        "service": service,
        "busiest": busiest or service,
        "capacity": capacity,
        "busy": min(capacity, demand * rate),
        "demand": demand,
        "bound": around(bound, spread),
        "shares": {busiest or service: 1.0},
    }
    return Part(**(given | changes))


def quiet_parts(rate: float = RATE) -> list[Part]:
    """Parts with much to give."""
    shares = {"django": 0.9, "nginx": 0.1}
    return [
        part(Kind.PROCESSOR, "web1", 2, 160, rate, "django", shares=shares),
        part(Kind.WORKERS, "web1", 3, 260, rate, "django", service="django"),
        part(Kind.PROCESSOR, "db1", 2, 400, rate, "postgresql_primary"),
        part(Kind.DISK, "db1", 1, 2000, rate, "postgresql_primary"),
        part(Kind.THREADS, "web1", 12, 500, rate, "django", service="django"),
        part(Kind.CONNECTIONS, "db1", 97, 900, rate, "postgresql_primary"),
    ]


def parts_with(*changed: Part, rate: float = RATE) -> list[Part]:
    """Quiet parts, but for some; lowest bound first."""
    kept = [
        one
        for one in quiet_parts(rate)
        if not any((one.kind, one.machines) == (new.kind, new.machines) for new in changed)
    ]
    return sorted([*kept, *changed], key=lambda one: one.bound.value)


def split(**changes: float) -> Split:
    """25 ms: mostly computing, some of it in the database."""
    given: dict[str, Any] = {
        "nginx": 0.001,
        "queue": 0.001,
        "computing": 0.013,
        "waiting": 0.001,
        "database": 0.007,
        "connecting": 0.0,
        "caching": 0.0,
        "outside": 0.0,
        "unexplained": 0.002,
    }
    waits = changes.pop("database_waits", {"CPU": 1.0})
    values = given | changes
    return Split(**(values | {"total": sum(values.values()), "database_waits": waits}))


def view(name: str = "shop:page", share: float = 0.25, **changes: Any) -> View:
    """A view with a share of the time of 1,000 requests of 23 ms."""
    given: dict[str, Any] = {
        "name": name,
        "paths": (f"/{name.split(':')[-1]}/",),
        "method": "GET",
        "requests": int(1000 * share),
        "app": 23 * share,
        "cpu": 13 * share,
        "database": 7 * share,
        "queries": 4.0,
        "outside": 0.0,
        "caching": 0.0,
        "writes": 0.0,
        "personal": 1.0,
        "errors": 0,
        "p50": 0.02,
        "p95": 0.05,
    }
    return View(**(given | changes))


def views() -> list[View]:
    """Four views that take about the same."""
    return [view(f"shop:{name}", 0.25) for name in ("front", "item", "list", "basket")]


def database(**changes: Any) -> Database:
    """PostgreSQL with next to nothing to do."""
    given: dict[str, Any] = {
        "machine": "db1",
        "active": 0.25,
        "connections": 12.0,
        "max_connections": 100,
        "most_connections": 13.0,
        "waits": {"CPU": 0.25},
        "hit_ratio": 0.999,
        "reads_share": 0.9,
        "sync_wait": 0.001,
        "commits": 40.0,
    }
    return Database(**(given | changes))


def load(knee: float | None, failed_at: float | None = None) -> Load:
    """Steps of 1.25 that end at a knee, or behind it."""
    top = failed_at or knee or RATE
    rates = [top / 1.25**n for n in range(4, -1, -1)]
    steps = [
        Step(
            offered=rate,
            began=60.0 * n,
            ended=60.0 * (n + 1),
            sent=int(rate * 60),
            answered=int(rate * 60),
            failed=0,
            p50=0.02,
            p95=0.05,
            p99=0.1,
            lag=0.001,
            passed=rate != failed_at,
        )
        for n, rate in enumerate(rates)
    ]
    return Load(profile="shop", steps=steps, knee=knee)


def evidence(**changes: Any) -> Evidence:
    """A load that the site answers, at 40 requests/s."""
    given: dict[str, Any] = {
        "site": site(),
        "purpose": "load",
        "seconds": 60.0,
        "rate": RATE,
        "rate_django": RATE,
        "sustained": RATE,
        "failed": False,
        "enough": True,
        "why_not": "",
        "parts": quiet_parts(),
        "certain": 0.95,
        "split": split(),
        "views": views(),
        "database": database(),
        "machines": {"web1": machine("web1"), "db1": machine("db1")},
        "statements": [],
        "load": load(RATE),
        "slow": 0.06,
        "quick": 0.05,
    }
    return Evidence(**(given | changes))


def failing(knee: float, beyond: dict[str, Any], **changes: Any) -> Evidence:
    """A load with a knee: what the last good step shows, and in `beyond` the one that failed."""
    failed_at = knee * 1.25
    common: dict[str, Any] = {
        "rate": knee,
        "rate_django": knee,
        "sustained": knee,
        "failed": True,
        "load": load(knee, failed_at),
        "slow": 0.1,
    }
    calm = evidence(**(common | changes))
    worse: dict[str, Any] = {
        "views": [replace(one, p95=3.0) for one in calm.views],
        "rate": failed_at * 0.93,
        "rate_django": failed_at * 0.93,
        "slow": 3.0,
        "parts": calm.parts,
    }
    return replace(calm, beyond=replace(calm, **(worse | beyond)))


def saturate(parts: Sequence[Part], rate: float) -> list[Part]:
    """The same parts at another rate: busier, none more than full."""
    return [replace(one, busy=min(one.capacity, one.demand * rate)) for one in parts]


def said(given: Evidence) -> tuple[Verdict, Place, Remedy]:
    """Verdict, place and first remedy."""
    advice = advise(given)
    return advice.verdict, advice.place, advice.change.remedy if advice.change else Remedy.NOTHING


def machines(**changes: dict[str, Any]) -> dict[str, Any]:
    """The two machines, one or both of them changed."""
    return {name: machine(name, **changes.get(name, {})) for name in ("web1", "db1")}


def priced(**prices: float) -> Evidence:
    """Django is full at 50/s on one machine, the database at 120/s; it fails at 40/s."""
    django = part(Kind.PROCESSOR, "web1", 2.0, 50.0, busiest="django")
    database = part(Kind.PROCESSOR, "db1", 2.0, 120.0, busiest="postgresql_primary")
    return replace(
        evidence(),
        site=site(prices=prices, currency="EUR"),
        parts=[django, database],
        sustained=40.0,
        failed=True,
    )
