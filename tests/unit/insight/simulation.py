"""A small simulator of a site.

It counts second by second. Requests come at random (Poisson); a part that is full leaves a backlog,
and who is in the backlog waits. Nothing else of queueing theory is in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from espalier.insight.readings import Disk, Pool, Postgresql, Processor, Sample, Service
from espalier.insight.recording import Request, Step


@dataclass(frozen=True)
class Host:
    """A machine of the site; `workers` and `threads` where it runs Django."""

    services: Sequence[str] = ("nginx", "django", "postgresql_primary")
    cores: float = 2.0
    workers: int = 4
    threads: int = 8
    quotas: Mapping[str, float] = field(default_factory=dict)
    memory_mb: float = 2048.0


@dataclass(frozen=True)
class Visit:
    """One kind of request.

    Attributes:
        share: how often it comes, relative to the others.
        weight: what it takes of the demands, relative to the others.
        keys: how many different addresses it has; by default hardly any is asked twice.
        outside: seconds in which it waits for something outside of the site.
        told: whether Django tells its times.
    """

    view: str = "shop:list"
    path: str = "/list/"
    share: float = 1.0
    weight: float = 1.0
    method: str = "GET"
    status: int = 200
    queries: int = 3
    writes: int = 0
    connects: int = 0
    connecting: float = 0.0
    outside: float = 0.0
    caching: float = 0.0
    personal: bool = False
    keys: int = 10**9
    told: bool = True


class Simulation:
    """The state of a site between its seconds."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        demands: Mapping[str, float],
        visits: Sequence[Visit],
        noise: float,
        random: Random,
    ) -> None:
        """Begin with a site that is idle; the arguments are those of `builders.recording`."""
        self.hosts = hosts
        self.visits = visits
        self.noise = noise
        self.random = random
        self.samples: dict[str, list[Sample]] = {name: [] for name in hosts}
        self.requests: list[Request] = []
        self.entrance = next(name for name, host in hosts.items() if "nginx" in host.services)
        shares = sum(visit.share for visit in visits)
        weight = sum(visit.share * visit.weight for visit in visits) / shares
        self.demands = {name: seconds / weight for name, seconds in demands.items()}
        self.mean = demands
        self.outside = sum(visit.share * visit.outside for visit in visits) / shares
        self.most = self._most()

    def _most(self) -> float:
        """Return the requests/s at which the first part is full."""
        limits = []
        for host in self.hosts.values():
            used = {service: self._share(service) for service in host.services}
            limits.append(host.cores / max(sum(used.values()), 1e-9))
            limits += [quota / max(used[name], 1e-9) for name, quota in host.quotas.items()]
        apps = [host for host in self.hosts.values() if "django" in host.services]
        workers = sum(min(host.workers, host.cores) for host in apps)
        limits.append(workers / max(self.mean["django"], 1e-9))
        limits.append(1 / max(self.mean.get("disk", 0.0), 1e-9))
        threads = sum(host.workers * host.threads for host in apps)
        limits.append(threads / (self.mean["django"] + self._in_database() + self.outside + 1e-9))
        return min(limits)

    def _share(self, service: str) -> float:
        """Return what a request takes of a service on one of the machines that run it."""
        count = sum(service in host.services for host in self.hosts.values())
        return self.mean.get(service, 0.0) / count

    def _in_database(self) -> float:
        return self.mean.get("postgresql_primary", 0.0) + self.mean.get("disk", 0.0)

    def step(self, began: float, offered: float, seconds: int) -> Step:
        """Simulate one rate."""
        backlog, arrived, took, failed = 0.0, 0, list[float](), 0
        for second in range(seconds):
            t = began + second
            came = self._poisson(offered)
            arrived += came
            done = int(min(backlog + came, self.most + self.random.random()))
            wait = backlog / self.most
            backlog = max(0.0, backlog + came - done)
            for request in self._answer(t, done, wait):
                took.append(request.took)
                failed += request.status >= 500
            self._sample(t + 1, done)
        took.sort()

        def rank(share: float) -> float:
            return took[max(0, math.ceil(share * len(took)) - 1)] if took else 0.0

        passed = bool(took) and len(took) >= 0.97 * arrived
        return Step(
            offered=offered,
            began=began,
            ended=began + seconds,
            sent=arrived,
            answered=len(took),
            failed=failed,
            p50=rank(0.5),
            p95=rank(0.95),
            p99=rank(0.99),
            lag=0.001,
            passed=passed,
            why="" if passed else f"{len(took) / seconds:.0f} of {offered:g} requests/s came back",
        )

    def _answer(self, t: float, count: int, wait: float) -> list[Request]:
        kinds = self.random.choices(self.visits, [one.share for one in self.visits], k=count)
        made = []
        for visit in kinds:
            cpu = self.demands["django"] * visit.weight * self._scatter()
            in_database = self._in_database() / self.mean["django"] * self.demands["django"]
            database = in_database * visit.weight * self._scatter() + visit.connecting
            app = cpu + database + visit.outside + visit.caching
            upstream = wait + app
            key = f"{visit.path}{self.random.randrange(visit.keys)}"
            made.append(
                Request(
                    t=t + self.random.random(),
                    path=visit.path,
                    key=key,
                    method=visit.method,
                    status=visit.status,
                    bytes=10_000,
                    took=upstream + 0.001,
                    upstream=upstream,
                    connect=0.0,
                    cache="",
                    personal=visit.personal,
                    target="django",
                    view=visit.view if visit.told else "",
                    app=app if visit.told else None,
                    cpu=cpu if visit.told else 0.0,
                    waited=0.0,
                    database=database if visit.told else 0.0,
                    queries=visit.queries,
                    writes=visit.writes,
                    connects=visit.connects,
                    connecting=visit.connecting,
                    caching=visit.caching,
                    hits=0,
                    misses=0,
                    outside=visit.outside,
                    pid=100,
                )
            )
        self.requests += made
        return made

    def _sample(self, t: float, count: int) -> None:
        """Add the second that ends at `t`, in which so many requests were answered."""
        for name, host in self.hosts.items():
            cpu = {
                service: min(
                    self._share(service) * self._sum(count), host.quotas.get(service, host.cores)
                )
                for service in host.services
            }
            full = [one for one, quota in host.quotas.items() if cpu[one] > 0.95 * quota]
            services = {
                service: Service(
                    cpu=cores,
                    throttled=0.3 if service in full else 0.0,
                    memory_mb=100.0,
                    processes=[cores / host.workers] * host.workers if service == "django" else [],
                )
                for service, cores in cpu.items()
            }
            primary = "postgresql_primary" in host.services
            disk = min(1.0, self.mean.get("disk", 0.0) * self._sum(count)) if primary else 0.0
            self.samples[name].append(
                Sample(
                    t=t,
                    dt=1.0,
                    processor=Processor(busy=min(sum(cpu.values()), host.cores)),
                    disk=Disk(busy=disk),
                    services=services,
                    postgresql=self._postgresql(count) if primary else None,
                    pool=Pool(servers_active=count * self._in_database())
                    if "pgbouncer" in host.services
                    else None,
                )
            )

    def _postgresql(self, count: int) -> Postgresql:
        waits = {"CPU": count * self.mean.get("postgresql_primary", 0.0)}
        if self.mean.get("disk"):
            waits["IO:DataFileRead"] = count * self.mean["disk"]
        return Postgresql(
            active=sum(waits.values()),
            waits=waits,
            connections=10.0,
            commits=count,
            blocks_hit=1000,
        )

    def _scatter(self) -> float:
        return max(0.05, self.random.gauss(1.0, self.noise))

    def _sum(self, count: int) -> float:
        """Return the work of so many requests, in mean requests."""
        return max(0.0, self.random.gauss(count, self.noise * math.sqrt(count)))

    def _poisson(self, rate: float) -> int:
        """Return how many arrive in a second: exponential gaps are counted until they fill it."""
        count, passed = -1, 0.0
        while passed < 1.0:
            passed += self.random.expovariate(rate)
            count += 1
        return count
