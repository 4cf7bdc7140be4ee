"""Small recordings, as tests of several modules need them."""

from __future__ import annotations

from typing import Any

from espalier.insight.readings import Sample, Service
from espalier.insight.recording import Load, Machine, Recording, Request, SiteFacts, Step

BEGAN = 1_000_000.0
SITE = SiteFacts(
    project="shop",
    tiers=[],
    duties={"web": ["vps1"], "app": ["vps1"], "db": ["vps1"]},
    services={"nginx": ["vps1"], "django": ["vps1"], "postgresql_primary": ["vps1"]},
    workers={"vps1": 1},
    threads={"vps1": 4},
)


def request(t: float, took: float = 0.1, **more: Any) -> Request:
    """A request at some seconds after the beginning, of the view `tree`."""
    values: dict[str, Any] = {
        **dict.fromkeys(Request._fields, 0),
        "t": BEGAN + t,
        "path": "/trees/1/",
        "key": "k",
        "method": "GET",
        "status": 200,
        "took": took,
        "upstream": took,
        "cache": "",
        "personal": False,
        "target": "unix",
        "view": "tree",
        "app": took,
    }
    return Request(**{**values, **more})


def step(offered: float, achieved: float, began: float, *, passed: bool = True) -> Step:
    """A step of 60 seconds, in which so many requests per second were answered."""
    return Step(
        offered=offered,
        began=BEGAN + began,
        ended=BEGAN + began + 60,
        sent=round(offered * 60),
        answered=round(achieved * 60),
        failed=0,
        p50=0.1,
        p95=0.2,
        p99=0.3,
        lag=0.001,
        passed=passed,
    )


def recording(
    name: str = "20261201-041500-3f2a",
    *,
    seconds: float = 120.0,
    requests: list[Request] | None = None,
    cpu: float = 0.5,
    load: Load | None = None,
    site: SiteFacts = SITE,
    machines: tuple[str, ...] = ("vps1",),
    **machine: Any,
) -> Recording:
    """A recording of a site whose Django takes `cpu` cores; requests are those of vps1."""
    samples = [
        Sample(t=BEGAN + at + 1, dt=1.0, services={"django": Service(cpu=cpu)})
        for at in range(int(seconds))
    ]
    fixed = {"cores": 2.0, "memory_mb": 2048.0, "services": ["nginx", "django"], **machine}
    return Recording(
        id=name,
        made="2026-12-01T04:15:00Z",
        kit="0.15.0",
        environment="lab",
        purpose="load" if load else "measure",
        began=BEGAN,
        ended=BEGAN + seconds,
        site=site,
        machines={
            one: Machine(
                **fixed, samples=samples, requests=(requests or []) if one == "vps1" else []
            )
            for one in machines
        },
        load=load,
    )
