"""A recording in the four words: response time, throughput, availability, utilisation.

What a person reads first. What follows from it is `espalier.insight.observe`'s and `advise`'s work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from espalier.insight.figures import percentile
from espalier.insight.recording import Machine, Recording, Request

MINUTE = 60.0
VIEWS = 3


@dataclass(frozen=True)
class Utilisation:
    """How much of a part was in use: shares of 1, the mean and that of the busiest minute."""

    part: str
    mean: float
    peak: float


@dataclass(frozen=True)
class ViewTime:
    """A view: how many requests it had, and its share of all the time that Django took."""

    name: str
    requests: int
    share: float
    mean: float


@dataclass(frozen=True)
class Summary:
    """The four words of a recording.

    Attributes:
        seconds: how long it is.
        requests: how many there were; files that nginx answered by itself among them.
        median, p95: seconds of a response, as nginx saw them, of pages: files do not count.
        worst_median, worst_p95: of the minute in which p95 was highest.
        per_minute, most_per_minute: requests, the mean and the busiest minute.
        available: share of the requests that did not end with a status of 5xx; 1 without any.
        utilisation: part by part, fullest first.
        views: those that take most of Django's time, with what they take.
    """

    seconds: float
    requests: int
    median: float
    p95: float
    worst_median: float
    worst_p95: float
    per_minute: float
    most_per_minute: float
    available: float
    utilisation: Sequence[Utilisation]
    views: Sequence[ViewTime]


def summarise(recording: Recording) -> Summary:
    """Put a recording into the four words."""
    found = list(recording.requests())
    weights = {name: machine.every for name, machine in recording.machines.items()}
    pages = [one for _, one in found if one.upstream is not None or one.cache]
    minutes = _by_minute(recording, pages)
    worst = max(minutes, key=lambda one: percentile(one, 0.95), default=[])
    count = sum(weights[name] for name, _ in found)
    failed = sum(weights[name] for name, one in found if one.status >= 500)
    in_minutes: dict[int, int] = {}
    for name, one in found:
        minute = int((one.t - recording.began) // MINUTE)
        in_minutes[minute] = in_minutes.get(minute, 0) + weights[name]
    mean = count / recording.seconds * MINUTE if recording.seconds > 0 else 0.0
    took = [one.took for one in pages]
    return Summary(
        seconds=recording.seconds,
        requests=count,
        median=percentile(took, 0.5),
        p95=percentile(took, 0.95),
        worst_median=percentile(worst, 0.5),
        worst_p95=percentile(worst, 0.95),
        per_minute=mean,
        most_per_minute=max([*in_minutes.values(), mean]),
        available=1 - failed / count if count else 1.0,
        utilisation=utilisation(recording),
        views=_views(pages),
    )


def utilisation(recording: Recording) -> list[Utilisation]:
    """How much of each part was in use, fullest first."""
    found = []
    site = recording.site
    for name, machine in recording.machines.items():
        found += [
            _part(f"processor of {name}", machine, [s.processor.busy for s in machine.samples]),
            _part(f"disk of {name}", machine, [s.disk.busy for s in machine.samples], 1.0),
        ]
        for service, quota in machine.quotas.items():
            used = [s.services[service].cpu for s in machine.samples if service in s.services]
            found.append(_part(f"quota of {service} on {name}", machine, used, quota))
        sessions = [s.postgresql.connections for s in machine.samples if s.postgresql]
        if name in site.services.get("postgresql_primary", ()):
            found.append(
                _part(f"connections of {name}", machine, sessions, float(site.max_connections))
            )
        servers = [s.pool.servers_active for s in machine.samples if s.pool]
        if servers and site.pool_size:
            found.append(_part(f"pool on {name}", machine, servers, float(site.pool_size)))
    threads = sum(site.workers.get(one, 0) * site.threads.get(one, 0) for one in site.workers)
    if threads:
        found.append(_threads(recording, threads))
    return sorted(found, key=lambda one: -one.mean)


def _part(
    name: str, machine: Machine, values: Sequence[float], capacity: float | None = None
) -> Utilisation:
    """A part of which there is a value each second."""
    whole = capacity or machine.cores
    minutes = [
        fmean(values[at : at + int(MINUTE)])
        for at in range(0, len(values), int(MINUTE))
        if len(values[at : at + int(MINUTE)]) >= MINUTE / 2
    ]
    mean = fmean(values) if values else 0.0
    return Utilisation(name, mean / whole, max([*minutes, mean]) / whole)


def _threads(recording: Recording, threads: int) -> Utilisation:
    """Threads that answer requests: each is held for as long as Django takes for one."""
    held: dict[int, float] = {}
    for name, request in recording.requests():
        took = (request.app if request.app is not None else request.upstream) or 0.0
        minute = int((request.t - recording.began) // MINUTE)
        held[minute] = held.get(minute, 0.0) + took * recording.machines[name].every
    whole = max(recording.seconds, 1.0) * threads
    mean = sum(held.values()) / whole
    full = [value for minute, value in held.items() if (minute + 1) * MINUTE <= recording.seconds]
    return Utilisation(
        "threads of Django", mean, max([*(v / MINUTE / threads for v in full), mean])
    )


def _views(pages: Sequence[Request]) -> list[ViewTime]:
    """The views that take most of Django's time; by path where Django did not tell the view."""
    times: dict[str, list[float]] = {}
    for one in pages:
        if one.upstream is not None:
            took = one.app if one.app is not None else one.upstream
            times.setdefault(one.view or one.path, []).append(took)
    whole = sum(map(sum, times.values())) or 1.0
    ranked = sorted(times.items(), key=lambda item: -sum(item[1]))[:VIEWS]
    return [ViewTime(name, len(all_), sum(all_) / whole, fmean(all_)) for name, all_ in ranked]


def _by_minute(recording: Recording, pages: Sequence[Request]) -> list[list[float]]:
    """The response times of each minute; a minute with few requests is left out."""
    found: dict[int, list[float]] = {}
    for one in pages:
        found.setdefault(int((one.t - recording.began) // MINUTE), []).append(one.took)
    enough = [times for times in found.values() if len(times) >= 10]
    return enough or list(found.values())
