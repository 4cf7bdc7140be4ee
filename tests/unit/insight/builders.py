"""Makes the recording of a simulated site, of which every demand is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from espalier.insight.readings import Sample
from espalier.insight.recording import Load, Machine, Recording, SiteFacts, Statement, Step
from tests.unit.insight.simulation import Host, Simulation, Visit

__all__ = ["BEGAN", "Host", "Visit", "recording"]

BEGAN = 1_000_000.0


def recording(
    *,
    machines: Mapping[str, Host] | None = None,
    demands: Mapping[str, float] | None = None,
    rate: float = 20.0,
    seconds: int = 60,
    steps: Sequence[float] | None = None,
    visits: Sequence[Visit] = (Visit(),),
    statements: Sequence[Statement] = (),
    site: Mapping[str, Any] | None = None,
    noise: float = 0.3,
    seed: int = 1,
    change: Callable[[str, Sample], Sample] | None = None,
) -> Recording:
    """Return the recording of a simulated site.

    Args:
        machines: by name; one with everything by default.
        demands: service -> seconds of a processor that one request takes, spread over the machines
            that run it; "disk" -> seconds of the disk of the machine with the primary.
        rate: requests/s of production; not read where there are `steps`.
        seconds: how long it is; of a load, how long each step is.
        steps: requests/s of each step of a load; it ends with the first that does not pass.
        visits: the kinds of requests.
        statements: of the primary.
        site: further fields of SiteFacts.
        noise: standard deviation of the work of one request, as a share of it.
        seed: of everything that is random.
        change: machine and sample -> the sample as it shall be instead.
    """
    hosts = machines or {"web1": Host()}
    taken = {"nginx": 0.0005, "django": 0.02, "postgresql_primary": 0.005} | dict(demands or {})
    run = Simulation(hosts, taken, visits, noise, Random(seed))
    made: list[Step] = []
    began = BEGAN
    for offered in steps or [rate]:
        step = run.step(began, offered, seconds)
        made.append(step)
        began += seconds
        if steps and not step.passed:
            break
    passed = [step.offered for step in made if step.passed]
    load = Load(profile="mix", steps=made, knee=max(passed, default=None)) if steps else None
    names = [name for name, host in hosts.items() if "django" in host.services]
    facts = {
        "project": "shop",
        "tiers": [],
        "duties": {},
        "services": {
            service: [name for name, host in hosts.items() if service in host.services]
            for service in sorted({one for host in hosts.values() for one in host.services})
        },
        "addresses": {name: f"10.0.0.{index}" for index, name in enumerate(hosts, 1)},
        "workers": {name: hosts[name].workers for name in names},
        "threads": {name: hosts[name].threads for name in names},
    }
    return Recording(
        id="20261201-041500-3f2a",
        made="2026-12-01T04:15:00Z",
        kit="0.14.0",
        environment="lab",
        purpose="load" if steps else "measure",
        began=BEGAN,
        ended=began,
        site=SiteFacts(**(facts | dict(site or {}))),
        machines={
            name: Machine(
                cores=host.cores,
                memory_mb=host.memory_mb,
                services=list(host.services),
                quotas=dict(host.quotas),
                samples=[change(name, one) if change else one for one in run.samples[name]],
                requests=run.requests if name == run.entrance else [],
                statements=list(statements) if "postgresql_primary" in host.services else [],
            )
            for name, host in hosts.items()
        },
        load=load,
    )
