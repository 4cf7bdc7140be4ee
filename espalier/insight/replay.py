"""What a cache in front of Django would have answered: the log, replayed through one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from espalier.insight.evidence import Replay
from espalier.insight.figures import ratio
from espalier.insight.recording import Recording, Request
from espalier.insight.views import held, name_of
from espalier.insight.window import Window

TTLS = (1.0, 10.0, 60.0)  # seconds
_MOST = 30  # rows


@dataclass
class _Count:
    paths: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    hits: int = 0
    saved: float = 0.0


def replays(recording: Recording, window: Window, ttls: Sequence[float] = TTLS) -> list[Replay]:
    """Return what a cache would have answered for each view and time to live, most saved first.

    Each machine that visitors reach has a cache of its own, as nginx' is. It is filled by the
    requests before the window, too. Requests are counted that Django answered: what nginx' cache
    answers today is saved already.

    Args:
        recording: of the site. Nothing is told of a log that was thinned out: which requests were
            repeated is not in it.
        window: the seconds that count.
        ttls: seconds that a page is kept.
    """
    if any(machine.every > 1 for machine in recording.machines.values()):
        return []
    asked = sorted(
        (
            (name, request)
            for name, request in recording.requests()
            if request.upstream is not None and request.t < window.ended
        ),
        key=lambda one: one[1].t,
    )
    total = sum(work(request) for _, request in asked if window.second(request.t) is not None)
    found = [
        Replay(
            path=count.paths.most_common(1)[0][0],
            view=view,
            seconds=ttl,
            requests=count.requests,
            hits=count.hits,
            saved=count.saved,
            share=ratio(count.saved, total),
        )
        for ttl in ttls
        for view, count in _replay(asked, window, ttl).items()
        if count.hits
    ]
    return sorted(found, key=lambda one: -one.saved)[:_MOST]


def may_be_kept(request: Request) -> bool:
    """Whether a cache for all visitors may keep the answer."""
    return request.method == "GET" and request.status == 200 and not request.personal


def work(request: Request) -> float:
    """Return the seconds of processor and database that a request took.

    Where Django does not tell them, the seconds that it had the request.
    """
    return held(request) if request.app is None else request.cpu + request.database


def _replay(asked: Sequence[tuple[str, Request]], window: Window, ttl: float) -> dict[str, _Count]:
    made: dict[tuple[str, str], float] = {}
    counts: dict[str, _Count] = {}
    for machine, request in asked:
        counted = window.second(request.t) is not None
        count = counts.setdefault(name_of(request), _Count()) if counted else _Count()
        count.requests += 1
        if not may_be_kept(request):
            continue
        count.paths[request.path] += 1
        key = (machine, request.key)
        if key in made and request.t - made[key] < ttl:
            count.hits += 1
            count.saved += work(request)
        else:
            made[key] = request.t
    return counts
