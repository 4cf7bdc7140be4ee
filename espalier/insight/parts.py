"""The parts of a site that can be full: what each has, what is in use, what a request takes of it.

Demand and bound follow from the utilisation law: P. J. Denning and J. P. Buzen, "The Operational
Analysis of Queueing Network Models", Computing Surveys 10(3), 1978, 225-261.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from espalier.insight.bootstrap import Used, bounds
from espalier.insight.evidence import HARD, Kind, Part
from espalier.insight.figures import mean, ratio
from espalier.insight.readings import Sample
from espalier.insight.recording import Machine, Recording
from espalier.insight.split import tells
from espalier.insight.views import held
from espalier.insight.window import Row, Window
from espalier.insight.words import listed

_DATABASES = ("postgresql_primary", "postgresql_replica")
# The sampler keeps this many processes of a service; more of them only show in its sum.
_PROCESSES = 16


@dataclass(frozen=True)
class _Use:
    """A part before its bound is known; `busy` has a value for each second of the window."""

    name: str
    kind: Kind
    machines: tuple[str, ...]
    service: str
    capacity: float
    busy: Sequence[float]
    busiest: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)


def parts(recording: Recording, window: Window, rows: Sequence[Row]) -> list[Part]:
    """Return the parts that are in use, by bound, lowest first.

    A part that no request uses has no bound, and is left out; so are all where no request came.

    Args:
        recording: of the site.
        window: the seconds that count.
        rows: the requests of the window.
    """
    requests = [0.0] * window.seconds
    for row in rows:
        index = window.second(row.request.t)
        if row.is_page and index is not None:
            requests[index] += row.weight
    rate = mean(requests)
    uses = [
        use
        for use in _uses(recording, window, tells(rows))
        if mean(use.busy) > 1e-9 and use.capacity > 0
    ]
    if not rate or not uses:
        return []
    found = bounds([Used(use.capacity, use.busy, use.kind in HARD) for use in uses], requests)
    made = [
        Part(
            name=use.name,
            kind=use.kind,
            machines=use.machines,
            service=use.service,
            busiest=use.busiest or use.service,
            capacity=use.capacity,
            busy=mean(use.busy),
            demand=mean(use.busy) / rate,
            bound=one.bound,
            lowest=one.lowest,
            shares=use.shares,
        )
        for use, one in zip(uses, found, strict=True)
    ]
    return sorted(made, key=lambda part: part.bound.value)


def app_groups(recording: Recording) -> list[tuple[str, ...]]:
    """Return the machines in groups that share their work.

    Machines that run Django and no database are one group: nginx spreads requests over them by how
    many each has. Any other machine is alone.
    """
    shared = tuple(
        name
        for name, machine in recording.machines.items()
        if "django" in machine.services and not set(_DATABASES) & set(machine.services)
    )
    alone = [(name,) for name in recording.machines if name not in shared]
    return ([shared] if shared else []) + alone


def _uses(recording: Recording, window: Window, timing: bool) -> Iterator[_Use]:
    """Return every part of the site, with its use in each second."""
    groups = app_groups(recording)
    for group in groups:
        yield from _processors(recording, window, group)
    for group in groups:
        yield from _quotas(recording, window, group)
    yield from _workers(recording, window)
    for name, machine in recording.machines.items():
        busy = window.series(machine.samples, lambda sample: sample.disk.busy)
        if busy is not None:
            database = next((one for one in _DATABASES if one in machine.services), "")
            yield _Use(f"disk of {name}", Kind.DISK, (name,), "", 1.0, busy, busiest=database)
    yield from _threads(recording, window, timing)
    yield from _database(recording, window)


def _processors(recording: Recording, window: Window, group: tuple[str, ...]) -> Iterator[_Use]:
    busy, capacity, cpu = [0.0] * window.seconds, 0.0, dict[str, float]()
    told = []
    for name in group:
        machine = recording.machines[name]
        used = window.series(machine.samples, lambda sample: sample.processor.busy)
        if used is None:
            continue
        told.append(name)
        samples = window.samples(machine.samples)
        # What the host took is not there to be used.
        capacity += max(0.0, machine.cores - mean(one.processor.steal for one in samples))
        busy = [a + b for a, b in zip(busy, used, strict=True)]
        for service, cores in service_cpu(samples).items():
            cpu[service] = cpu.get(service, 0.0) + cores
    if told:
        shares = {service: ratio(cores, mean(busy)) for service, cores in cpu.items()}
        busiest = max(cpu, key=cpu.__getitem__, default="")
        name = f"processor of {listed(told)}"
        yield _Use(name, Kind.PROCESSOR, tuple(told), "", capacity, busy, busiest, shares)


def service_cpu(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the mean cores of each service."""
    names = dict.fromkeys(name for one in samples for name in one.services)
    return {
        name: mean(one.services[name].cpu if name in one.services else 0.0 for one in samples)
        for name in names
    }


def _quotas(recording: Recording, window: Window, group: tuple[str, ...]) -> Iterator[_Use]:
    """Return the services with a quota of their own; Django's of a whole group are one part."""
    services = dict.fromkeys(one for name in group for one in recording.machines[name].quotas)
    for service in services:
        limited = [name for name in group if service in recording.machines[name].quotas]
        together = service == "django" and len(limited) == len(group)
        for names in [tuple(limited)] if together else [(name,) for name in limited]:
            series = [_cpu_series(recording.machines[name], window, service) for name in names]
            busy = [sum(values) for values in zip(*series, strict=True)]
            capacity = sum(recording.machines[name].quotas[service] for name in names)
            name = f"quota of {service} on {listed(names)}"
            yield _Use(name, Kind.SERVICE, names, service, capacity, busy, shares={service: 1.0})


def _cpu_series(machine: Machine, window: Window, service: str) -> list[float]:
    found = window.series(
        machine.samples,
        lambda one: one.services[service].cpu if service in one.services else None,
    )
    return found or [0.0] * window.seconds


def _workers(recording: Recording, window: Window) -> Iterator[_Use]:
    """Return Django's processes: the interpreter's lock lets each use about one core."""
    names = _django(recording)
    capacity = sum(
        min(float(recording.site.workers[name]), recording.machines[name].cores) for name in names
    )
    series = [_process_series(recording.machines[name], window) for name in names]
    if series and capacity:
        busy = [sum(values) for values in zip(*series, strict=True)]
        name = f"worker processes on {listed(names)}"
        yield _Use(name, Kind.WORKERS, names, "django", capacity, busy, shares={"django": 1.0})


def _process_series(machine: Machine, window: Window) -> list[float]:
    def read(one: Sample) -> float | None:
        service = one.services.get("django")
        if service is None:
            return None
        some = 0 < len(service.processes) < _PROCESSES
        return sum(service.processes) if some else service.cpu

    return window.series(machine.samples, read) or [0.0] * window.seconds


def _threads(recording: Recording, window: Window, timing: bool) -> Iterator[_Use]:
    """Return the web server's threads: each request holds one for as long as Django has it.

    Where Django tells its times, a request without them never came to a thread. Where it tells
    none, one that waits for a thread looks like one that holds it.
    """
    names = _django(recording)
    site = recording.site
    capacity = float(sum(site.workers[name] * site.threads.get(name, 1) for name in names))
    in_use = [0.0] * window.seconds
    for machine in recording.machines.values():
        for request in machine.requests:
            if request.upstream is None:
                continue
            if request.app is None and timing:
                continue
            took = held(request)
            ended = request.t - max(0.0, request.took - request.upstream)
            _hold(in_use, window, ended - took, ended, machine.every)
    busy = [min(value, capacity) for value in in_use]
    if capacity:
        yield _Use(f"threads on {listed(names)}", Kind.THREADS, names, "django", capacity, busy)


def _hold(in_use: list[float], window: Window, began: float, ended: float, weight: int) -> None:
    """Add a request to the seconds in which it held a thread."""
    first = max(0, int(began - window.began))
    for index in range(first, min(window.seconds, int(ended - window.began) + 1)):
        second = window.began + index
        in_use[index] += weight * max(0.0, min(ended, second + 1) - max(began, second))


def _database(recording: Recording, window: Window) -> Iterator[_Use]:
    for name, machine in recording.machines.items():
        active = window.series(
            machine.samples, lambda one: one.pool.servers_active if one.pool else None
        )
        if active is not None and recording.site.pool_size:
            size = float(recording.site.pool_size)
            yield _Use(f"pool on {name}", Kind.POOL, (name,), "pgbouncer", size, active)
        if "postgresql_primary" not in machine.services:
            continue
        connections = window.series(
            machine.samples, lambda one: one.postgresql.connections if one.postgresql else None
        )
        if connections is not None and mean(connections):
            # They must suffice for the fullest second, so that is what counts as in use.
            factor = max(connections) / mean(connections)
            busy = [value * factor for value in connections]
            limit = float(recording.site.max_connections)
            title = f"connections of PostgreSQL on {name}"
            yield _Use(title, Kind.CONNECTIONS, (name,), "postgresql_primary", limit, busy)


def _django(recording: Recording) -> tuple[str, ...]:
    """Return the machines that run Django, of which the number of workers is known."""
    return tuple(
        name
        for name, machine in recording.machines.items()
        if "django" in machine.services and recording.site.workers.get(name)
    )
