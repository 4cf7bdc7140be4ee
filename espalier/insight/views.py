"""What requests for each view took, and how many of them failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from espalier.insight.evidence import View
from espalier.insight.figures import mean, percentile, ratio
from espalier.insight.recording import Request
from espalier.insight.window import Row

# A part of a path that names one object: a number, a UUID, a hash.
_OBJECT = re.compile(r"(?<=/)(\d+|[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})(?=/|$|\.)")
_PATHS = 3


def views(rows: Sequence[Row]) -> list[View]:
    """Return the views that Django answered, by the time they took together, longest first.

    Args:
        rows: the requests of the window. One that stands for several counts as so many.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.request.upstream is not None:
            groups.setdefault(name_of(row.request), []).append(row)
    return sorted((_view(name, found) for name, found in groups.items()), key=lambda v: -v.app)


def name_of(request: Request) -> str:
    """Return the view's name; where Django does not tell it, the method and the path's pattern."""
    return request.view or f"{request.method} {_OBJECT.sub('*', request.path)}"


def held(request: Request) -> float:
    """Return the seconds that Django had a request; as nginx saw it where Django does not tell."""
    if request.app is not None:
        return request.app
    return max(0.0, (request.upstream or 0.0) - request.connect)


def errors(rows: Sequence[Row]) -> float:
    """Return the share of requests for Django that ended in a status of 500 or more."""
    found = [row for row in rows if row.is_page or row.request.status >= 500]
    failed = sum(row.weight for row in found if row.request.status >= 500)
    return ratio(failed, sum(row.weight for row in found))


def _view(name: str, rows: Sequence[Row]) -> View:
    count = sum(row.weight for row in rows)
    paths = Counter(row.request.path for row in rows)
    methods = Counter(row.request.method for row in rows)
    took = [row.request.took for row in rows]

    def total(values: Sequence[float]) -> float:
        return sum(row.weight * value for row, value in zip(rows, values, strict=True))

    asked = [row.request for row in rows]
    return View(
        name=name,
        paths=tuple(path for path, _ in paths.most_common(_PATHS)),
        method=methods.most_common(1)[0][0],
        requests=count,
        app=total([held(one) for one in asked]),
        cpu=total([one.cpu for one in asked]),
        database=total([one.database for one in asked]),
        queries=total([one.queries for one in asked]) / count,
        outside=total([one.outside for one in asked]),
        caching=total([one.caching for one in asked]),
        writes=total([one.writes > 0 for one in asked]) / count,
        personal=total([one.personal for one in asked]) / count,
        errors=int(total([one.status >= 500 for one in asked])),
        p50=percentile(took, 0.5),
        p95=percentile(took, 0.95),
    )


def quietest(rows: Sequence[Row], block: float = 5.0, least: int = 20) -> float:
    """Return the p95 of the quietest tenth of the window, in seconds.

    Args:
        rows: the requests of the window.
        block: seconds that are looked at together.
        least: requests that have to be in it; further blocks are added until they are.
    """
    blocks: dict[int, list[float]] = {}
    for row in rows:
        if row.is_page:
            blocks.setdefault(int(row.request.t // block), []).append(row.request.took)
    ordered = sorted(blocks.values(), key=len)
    found: list[float] = []
    for index, took in enumerate(ordered):
        if index * 10 >= len(ordered) and len(found) >= least:
            break
        found += took
    return percentile(found, 0.95)


def mean_took(rows: Sequence[Row]) -> float:
    """Return the mean time of requests for Django, as nginx saw it."""
    return mean(row.request.took for row in rows if row.is_page)
