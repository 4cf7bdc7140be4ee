"""Views that ask the database for too much, or that take most of Django's time."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, View
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed, predicted, relieved
from espalier.insight.price import priced
from espalier.insight.state import DATABASES, held_share, is_busy, saturated, suffering, windows
from espalier.insight.words import duration, figure, percent, shown_path


def many_queries(evidence: Evidence) -> Iterator[Finding]:
    """A view with many short queries a request: one a row, most likely ("N+1")."""
    total = sum(view.app for view in evidence.views)
    for view in evidence.views:
        share = view.app / total if total else 0.0
        mean = _mean(evidence, view.name)
        if view.queries < at.CALLS_A_REQUEST or share < at.VIEW_SHARE or mean >= at.CALL_MEAN:
            continue
        busy = is_busy(evidence, ("django", *DATABASES))
        base_share = held_share(saturated(evidence), "database")
        caused = suffering(evidence) and base_share >= at.DATABASE_MATTERS
        fewer = 1 - at.QUERIES_LEFT / view.queries
        change = Change(
            Remedy.VIEW,
            Place.VIEW,
            f"{view.name} asks {figure(view.queries)} queries a request: fetch related rows with "
            "select_related() or prefetch_related().",
            where=_origin(evidence, view),
        )
        django = _estimates(_share(evidence, view, "cpu"), fewer)
        base = _estimates(_share(evidence, view, "database"), fewer)
        if busy:
            change = predicted(change, evidence, relieved(evidence, django, base))
        else:
            change = freed(change, evidence, share * 0.6 * fewer)
        yield Finding(
            Place.VIEW,
            view.name,
            Level.REASON if busy else Level.CAUSE if caused else Level.NOTE,
            # Beside a slow network, which makes each of them long, the network is the larger share.
            share if busy else share * base_share,
            [
                f"{view.name} asks {figure(view.queries)} queries a request, "
                f"{duration(mean)} each, and takes {percent(share)} of Django's time"
            ],
            [priced(change, 0.0)],
            explains=("django", *DATABASES),
        )


def heavy(evidence: Evidence) -> Iterator[Finding]:
    """The view with most of Django's time: what would be gained is not known before it is read."""
    total = sum(view.app for view in evidence.views)
    view = max(evidence.views, key=lambda one: one.app, default=None)
    if view is None or not total or view.app / total < at.VIEW_SHARE:
        return
    share = view.app / total
    path = shown_path(view.paths[0]) if view.paths else view.name
    yield Finding(
        Place.VIEW,
        view.name,
        Level.NOTE,
        share,
        [f"{view.name} takes {percent(share)} of Django's time"],
        [
            Change(
                Remedy.VIEW,
                Place.VIEW,
                f"{path} ({view.name}) takes {percent(share)} of Django's time, "
                f"{duration(view.app / max(view.requests, 1))} a request: look there first.",
                where=view.name,
                share=share,
                cost=0.0,
            )
        ],
    )


def _mean(evidence: Evidence, name: str) -> float:
    """Seconds of a query in a view: the shorter of both windows, and of PostgreSQL's own.

    In the driver a query waits for a core and for the interpreter lock, too.
    """
    means = [
        view.database / (view.requests * view.queries)
        for window in windows(evidence)
        for view in window.views
        if view.name == name and view.requests and view.queries
    ]
    steps = evidence.load.steps if evidence.load else []
    # Statements are those of the whole recording.
    asked = sum(step.answered for step in steps) or evidence.rate_django * evidence.seconds
    short = [
        one.seconds / one.calls
        for one in evidence.statements
        if one.calls >= asked * at.CALLS_A_REQUEST / 4 > 0
    ]
    return min([*means, *short], default=0.0)


def _share(evidence: Evidence, view: View, what: str) -> float:
    total = sum(getattr(one, what) for one in evidence.views)
    return getattr(view, what) / total if total else 0.0


def _estimates(share: float, fewer: float) -> tuple[float, float, float]:
    return (share * fewer * 0.35, share * fewer * 0.6, share * fewer * 0.9)


def _origin(evidence: Evidence, view: View) -> str:
    found = [
        (statement.calls, place)
        for statement in evidence.statements
        for place in statement.origins
        if place.startswith(view.name)
    ]
    return max(found)[1] if found else view.name
