"""Threads of the web server: requests that wait for one, while the hardware is idle."""

from __future__ import annotations

import math
from collections.abc import Iterator

from espalier.insight import edits, usual
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, Interval, Kind, Part
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import connections_of, predicted
from espalier.insight.price import priced
from espalier.insight.state import (
    DATABASES,
    django_machines,
    is_busy,
    saturated,
    suffering,
    windows,
)
from espalier.insight.words import duration, figure, percent


def threads(evidence: Evidence) -> Iterator[Finding]:
    """A queue in front of threads that are held, while processors have time."""
    part = evidence.part(Kind.THREADS)
    if part is None or is_busy(evidence, ("django", *DATABASES), at.FULL):
        return
    end = saturated(evidence)
    queue = end.split.share("queue")
    seen = [one.part(Kind.THREADS) for one in windows(evidence)]
    share = max(one.utilisation for one in seen if one)
    held = queue >= at.QUEUE_SHARE and share >= at.THREADS_HELD
    unevenly = queue >= at.LONG_QUEUE_SHARE and share >= at.THREADS_HELD_UNEVENLY
    # Where Django tells no times, a request that waits for a thread looks like one that has it.
    untold = not end.timing and share >= at.THREADS_HELD and suffering(evidence)
    if not held and not unevenly and not untold:
        return
    said = [
        f"{percent(min(share, 1.0))} of {figure(part.capacity)} threads are held, and a request "
        f"waits {duration(end.split.queue)} for one: {percent(queue)} of its response",
        "the processors of Django and of the database have time",
    ]
    yield Finding(
        Place.THREADS,
        ", ".join(part.machines),
        Level.SOFT,
        max(queue, 0.4),
        said,
        [_more(evidence, part)],
        part,
    )


def _more(evidence: Evidence, part: Part) -> Change:
    hard = [one.bound.value for one in evidence.parts if one.is_hard and one.bound.value > 0]
    wanted = (
        min(hard, default=4 * part.bound.value) / max(part.bound.value, 1e-9) * at.THREADS_SPARE
    )
    factor = min(max(wanted, 2.0), 8.0)
    site = evidence.site
    most = evidence.database.max_connections or site.max_connections
    if "pgbouncer" not in site.tiers:
        allowed = at.CONNECTIONS_MOST * most / max(connections_of(evidence, 0), 1)
        factor = max(min(factor, allowed), 1.0)
    changes = []
    before = after = 0
    for name in part.machines or tuple(django_machines(evidence)):
        workers = site.workers.get(name, 1)
        now = site.threads.get(name, max(round(part.capacity / workers), 1))
        new = min(max(math.ceil(now * factor), now + 1), max(at.THREADS_MOST, now + 1))
        before, after = before + workers * now, after + workers * new
        changes.append(
            edits.host_variable(
                name, "django_threads", new, usual.written(site.threads.get(name), usual.THREADS)
            )
        )
    grown = after / max(before, 1)
    change = Change(
        Remedy.THREADS,
        Place.THREADS,
        f"Run {figure(after)} threads instead of {figure(before)}.",
        changes,
        then=["espalier site"],
    )
    new_bound = Interval(
        part.bound.low * grown * 0.8, part.bound.value * grown, part.bound.high * grown * 1.1
    )
    return priced(predicted(change, evidence, [(part, new_bound)]), 0.0)
