"""Time that threads spend waiting for something which is no part of the site."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, View
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed
from espalier.insight.state import held_share, is_caused, processors_are_idle, saturated
from espalier.insight.words import duration, percent


def waiting(evidence: Evidence) -> Iterator[Finding]:
    """Calls of other servers; and time that nothing explains, while all is idle."""
    end = saturated(evidence)
    if not end.timing or not end.split.total:
        return
    share = held_share(end, "outside")
    if is_caused(evidence, share):
        view = max(end.views, key=lambda one: one.outside, default=None)
        yield _finding(evidence, view, "calls of other servers", share, end.split.outside, True)
        return
    share = held_share(end, "unexplained")
    # Threads that wait for the interpreter lock are not explained either.
    if is_caused(evidence, share, at.UNEXPLAINED) and processors_are_idle(evidence):
        view = max(end.views, key=_rest, default=None)
        seconds = end.split.unexplained
        yield _finding(evidence, view, "waiting for nothing that is known", share, seconds, False)


def _finding(
    evidence: Evidence, view: View | None, what: str, share: float, seconds: float, known: bool
) -> Finding:
    name = view.name if view else ""
    change = Change(
        Remedy.BACKGROUND,
        Place.OUTSIDE,
        "Do not let visitors wait for it: a job in the background, an answer that is kept, or at "
        "least a short time-out.",
        where=name,
    )
    return Finding(
        Place.OUTSIDE,
        name,
        Level.CAUSE if known else Level.SOFT,
        share if known else share * 0.5,
        [f"{percent(share)} of a request's time in Django ({duration(seconds)}) is {what}"]
        + ([f"most of it in {name}"] if name else []),
        [freed(change, evidence, share)],
    )


def _rest(view: View) -> float:
    return view.app - view.cpu - view.database - view.outside - view.caching
