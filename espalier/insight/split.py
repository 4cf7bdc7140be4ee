"""Where the time of a mean request to Django goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from espalier.insight.evidence import Split
from espalier.insight.figures import ratio
from espalier.insight.readings import Sample
from espalier.insight.recording import Request
from espalier.insight.window import Row

# Below this share of requests with times of Django's, none of them are used. It is low, as most
# requests may end in a time-out of nginx' where a site is overloaded.
_TOLD = 0.1


@dataclass(frozen=True)
class Times:
    """The split, and whether Django told its times."""

    split: Split
    timing: bool


def split(rows: Sequence[Row], waits: Mapping[str, float]) -> Times:
    """Return the split of the mean response time.

    Where Django tells its times, requests without them are left out: they are those that it never
    came to, such as time-outs. Where it tells none, all of its time is unexplained.

    Args:
        rows: the requests of the window.
        waits: share of active sessions of the database by wait.
    """
    asked = [row for row in rows if row.request.upstream is not None]
    if not asked:
        return Times(Split(database_waits=waits), timing=False)
    if not tells(rows):
        return Times(_untold(asked, waits), timing=False)
    return Times(_told([row for row in asked if row.request.app is not None], waits), timing=True)


def tells(rows: Sequence[Row]) -> bool:
    """Whether Django tells its times for enough of the requests that nginx asked it."""
    asked = [row for row in rows if row.request.upstream is not None]
    told = sum(row.weight for row in asked if row.request.app is not None)
    return told > 0 and told >= _TOLD * sum(row.weight for row in asked)


def database_waits(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the share of active sessions' time by what they did ("CPU", "Lock:tuple", ...)."""
    seconds: dict[str, float] = {}
    for sample in samples:
        for name, sessions in (sample.postgresql.waits if sample.postgresql else {}).items():
            seconds[name] = seconds.get(name, 0.0) + sessions * sample.dt
    total = sum(seconds.values())
    return {name: ratio(value, total) for name, value in seconds.items()}


def _in_front(request: Request) -> float:
    """Return the seconds that nginx had the request for itself, connecting to Django included."""
    return max(0.0, request.took - (request.upstream or 0.0)) + request.connect


def _behind(request: Request) -> float:
    """Return the seconds from the moment that Django's socket had taken the request."""
    return max(0.0, (request.upstream or 0.0) - request.connect)


def _untold(rows: Sequence[Row], waits: Mapping[str, float]) -> Split:
    count = sum(row.weight for row in rows)
    nginx = sum(row.weight * _in_front(row.request) for row in rows) / count
    unexplained = sum(row.weight * _behind(row.request) for row in rows) / count
    return Split(
        total=nginx + unexplained, nginx=nginx, unexplained=unexplained, database_waits=waits
    )


def _told(rows: Sequence[Row], waits: Mapping[str, float]) -> Split:
    count = sum(row.weight for row in rows)

    def per_request(values: Sequence[float]) -> float:
        return sum(row.weight * value for row, value in zip(rows, values, strict=True)) / count

    asked = [row.request for row in rows]
    nginx = per_request([_in_front(one) for one in asked])
    queue = per_request([max(0.0, _behind(one) - (one.app or 0.0)) for one in asked])
    app = per_request([min(_behind(one), one.app or 0.0) for one in asked])
    found = {
        "computing": per_request([one.cpu for one in asked]),
        "waiting": per_request([one.waited for one in asked]),
        "database": per_request([max(0.0, one.database - one.connecting) for one in asked]),
        "connecting": per_request([min(one.connecting, one.database) for one in asked]),
        "caching": per_request([one.caching for one in asked]),
        "outside": per_request([one.outside for one in asked]),
    }
    # Computing inside of the database's driver counts twice: together they are never above `app`.
    factor = min(1.0, ratio(app, sum(found.values()))) if sum(found.values()) else 1.0
    found = {name: value * factor for name, value in found.items()}
    unexplained = max(0.0, app - sum(found.values()))
    total = nginx + queue + sum(found.values()) + unexplained
    return Split(
        total=total,
        nginx=nginx,
        queue=queue,
        unexplained=unexplained,
        database_waits=waits,
        **found,
    )
