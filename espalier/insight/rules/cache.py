"""Pages that nginx could have answered by itself: the log, replayed through a cache."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import edits
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, Replay
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import predicted, relieved
from espalier.insight.price import priced
from espalier.insight.state import DATABASES, is_busy
from espalier.insight.words import percent, shown_path

MOST = 3  # paths in one advice


def replayed(evidence: Evidence) -> Iterator[Finding]:
    """Costly pages that the same visitors without a cookie ask for again and again."""
    best = _best(evidence)
    share = min(sum(one.share for one in best), 0.98)
    if share < at.REPLAY_SHARE:
        return
    pages = {shown_path(one.path): one.seconds for one in best}
    paths = ", ".join(pages)
    hits = sum(one.hits for one in best) / sum(one.requests for one in best)
    gone = (share * 0.85, share, min(share * 1.03, 0.98))
    parts = relieved(evidence, gone, gone)
    mend = Change(
        Remedy.MICROCACHE,
        Place.VIEW,
        f"Let nginx keep {paths} for visitors without a cookie, if a page may be that old.",
        [edits.microcache(evidence.site, pages)],
        then=["espalier site"],
        share=share,
    )
    changes = [mend]
    if "redis" not in evidence.site.tiers:
        changes.append(
            Change(
                Remedy.CACHE,
                Place.VIEW,
                "Switch `redis` on and keep the page's parts in the cache (cache_page, "
                "{% cache %}), where visitors have cookies.",
                edits.tier(evidence.site, "redis"),
                where=best[0].view,
                then=["espalier check", "espalier site"],
                share=share,
            )
        )
    busy = is_busy(evidence, ("django", *DATABASES))
    yield Finding(
        Place.VIEW,
        paths,
        Level.REASON if busy else Level.NOTE,
        share,
        [
            f"the log, replayed through a cache: {percent(hits)} of the requests for {paths} would "
            f"be answered by it, {percent(share)} of Django's and the database's time"
        ],
        [
            priced(predicted(one, evidence, parts) if busy else one, 0.0, evidence.sustained)
            for one in changes
        ],
        explains=("django", *DATABASES),
    )


def _best(evidence: Evidence) -> list[Replay]:
    """For each path the replay that saves most, of those with hits enough."""
    by_path: dict[str, Replay] = {}
    for one in evidence.replays:
        if one.requests and one.hits >= at.REPLAY_HITS * one.requests:
            known = by_path.get(one.path)
            if known is None or one.saved > known.saved:
                by_path[one.path] = one
    kept = {shown_path(path) for path in evidence.site.microcache}
    found = [one for path, one in by_path.items() if shown_path(path) not in kept]
    return sorted(found, key=lambda one: -one.saved)[:MOST]
