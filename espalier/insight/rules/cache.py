"""Pages that nginx could have answered by itself: the log, replayed through a cache."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import commonpath

from espalier.insight import edits
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, Replay
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import predicted, relieved
from espalier.insight.price import priced
from espalier.insight.state import DATABASES, is_busy
from espalier.insight.words import percent, shown_path

MOST = 3  # views in one advice


def replayed(evidence: Evidence) -> Iterator[Finding]:
    """Costly pages that the same visitors without a cookie ask for again and again."""
    best = _best(evidence)
    share = min(sum(one.share for one in best), 0.98)
    pages = {path: one.seconds for one in best for path in _prefixes(evidence, one)}
    if share < at.REPLAY_SHARE or not pages:
        return
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
        [priced(predicted(one, evidence, parts) if busy else one, 0.0) for one in changes],
        explains=("django", *DATABASES),
    )


def _best(evidence: Evidence) -> list[Replay]:
    """Of each view one replay with hits enough: the shortest time that saves nearly as much as any.

    Pages that nginx keeps already are left out.
    """
    by_view: dict[str, list[Replay]] = {}
    kept = tuple(evidence.site.microcache)
    for one in evidence.replays:
        enough = one.requests and one.hits >= at.REPLAY_HITS * one.requests
        if enough and not (kept and one.path.startswith(kept)):
            by_view.setdefault(one.view, []).append(one)
    found = []
    for several in by_view.values():
        most = max(one.saved for one in several)
        near = [one for one in several if one.saved >= at.REPLAY_NEARLY * most]
        found.append(min(near, key=lambda one: one.seconds))
    return sorted(found, key=lambda one: -one.saved)[:MOST]


def _prefixes(evidence: Evidence, replay: Replay) -> list[str]:
    """What a view's addresses begin with; all of them one by one, where that is the whole site."""
    paths = [shown_path(replay.path)]
    for view in evidence.views:
        if view.name == replay.view:
            paths = list(dict.fromkeys([*paths, *(shown_path(path) for path in view.paths)]))
    if len(paths) == 1 and "*" not in paths[0]:
        return paths
    common = commonpath(paths).split("*", 1)[0].rstrip("/") + "/"
    return [common] if len(common) > 1 else [path for path in paths if "*" not in path]
