"""What a change would gain: min(the part's new bound, the next bound) / today's bound.

A site stops somewhat below the lowest bound, where queues grow. The same share of the new bound is
expected after the change (`efficiency`), so that a gain is a ratio of bounds. The next part caps
every gain (operational laws: Denning and Buzen, 1978).

An interval holds three things: the chance in today's bounds (bootstrap), how exactly a load in
steps finds a limit (`step_ratio`), and factors for what a model leaves out, such as a second hop or
work that does not divide (`widened`, `less_work`, `freed`). The last are estimates: the trials
(docs/benchmarks.md) say how often what was measured then lies within.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from espalier.insight import thresholds as at
from espalier.insight.advice import Change
from espalier.insight.evidence import Evidence, Interval, Kind, Part
from espalier.insight.recording import Load
from espalier.insight.state import DATABASES

# A knee lies anywhere within a step; of two of them the ratio is off by a triangle of one step to
# each side, 95% of which lie within this part of it.
TRIANGLE = 0.78


def efficiency(evidence: Evidence, bound: float) -> float:
    """The share of a bound that the site reaches before visitors suffer."""
    if not evidence.failed or bound <= 0:
        return at.USUAL_EFFICIENCY
    return min(max(evidence.sustained / bound, at.LEAST_EFFICIENCY), 1.0)


def widened(interval: Interval, down: float, up: float) -> Interval:
    """An interval with factors for what is not known of a remedy's effect."""
    return Interval(interval.low * down, interval.value, interval.high * up)


def label(part: Part) -> str:
    """A part in words: "processor of web1", "threads of web1"."""
    return part.name or f"{part.kind.value} of {', '.join(part.machines)}"


def step_ratio(load: Load | None) -> float:
    """The ratio of two rates in succession of a load; 1 without steps."""
    rates = sorted({step.offered for step in load.steps if step.offered > 0}) if load else []
    ratios = [high / low for low, high in pairwise(rates)]
    return min(ratios) if ratios else 1.0


def predicted(
    change: Change,
    evidence: Evidence,
    changed: Sequence[tuple[Part, Interval]],
) -> Change:
    """A change with its gain, the rate after it, and what will be the limit then.

    Args:
        changed: parts with the bounds that they will have. Of the others, hard ones keep theirs and
            cap the gain; soft ones do not count, as threads and pools are held by those who wait.
            Today's limit is the lowest bound of the same parts.
    """
    if not changed:
        return change
    new = {id(part): bound for part, bound in changed}
    after = [(bound, part) for part, bound in changed]
    after += [(one.bound, one) for one in evidence.parts if one.is_hard and id(one) not in new]
    after = [(bound, part) for bound, part in after if bound.value > 0]
    before = min((part.bound for _, part in after), key=lambda one: one.value)
    lowest, limit = min(after, key=lambda one: one[0].value)
    reached = Interval(
        min(bound.low for bound, _ in after), lowest.value, min(bound.high for bound, _ in after)
    )
    base = max(before.value, 1e-9)
    blur = math.exp(TRIANGLE * math.log(step_ratio(evidence.load)))
    value = reached.value / base
    gain = Interval(
        min(reached.low / base / blur, value), value, max(reached.high / base * blur, value)
    )
    top = evidence.sustained if evidence.failed else base * efficiency(evidence, base)
    then = change.next_limit or label(limit)
    return replace(change, gain=_rounded(gain), after=_rounded(gain.scaled(top)), next_limit=then)


def less_work(bound: Interval, low: float, value: float, high: float) -> Interval:
    """A bound when a share of its work (0 to 1, three estimates) goes away."""
    ends = [min(max(share, 0.0), 0.98) for share in (low, value, high)]
    return Interval(
        bound.low / (1 - ends[0]), bound.value / (1 - ends[1]), bound.high / (1 - ends[2])
    )


def relieved(
    evidence: Evidence, django: tuple[float, float, float], database: tuple[float, float, float]
) -> list[tuple[Part, Interval]]:
    """The hard parts' bounds when shares (three estimates each) of Django's and the database's
    work go away; other services on the same machine keep theirs.
    """
    changed = []
    for part in evidence.parts:
        if not part.is_hard:
            continue
        shares = dict(part.shares) or {part.service or part.busiest: 1.0}
        if part.kind == Kind.WORKERS:
            shares = {"django": 1.0}
        if part.kind == Kind.DISK:
            shares = {"postgresql_primary": 1.0}
        of_django = shares.get("django", 0.0)
        of_database = sum(shares.get(name, 0.0) for name in DATABASES)
        gone = [of_django * django[i] + of_database * database[i] for i in range(3)]
        if gone[1] > 0:
            changed.append((part, less_work(part.bound, gone[0], gone[1], gone[2])))
    return changed


def freed(change: Change, evidence: Evidence, share: float, ends: Collection[Kind] = ()) -> Change:
    """A change that takes away a share of the time which threads are held, the hardware being idle.

    Threads then turn round 1 / (1 - share) times as fast, until a hard part is full. How much of
    the wait really goes is not known: the interval begins at a half of it.

    Args:
        ends: kinds of parts that the change mends as well, so that they cap nothing.
    """
    if evidence.sustained <= 0:
        return change
    hard = [
        part
        for part in evidence.parts
        if part.is_hard and part.kind not in ends and part.bound.value > 0
    ]
    cap = min(hard, key=lambda part: part.bound.value, default=None)
    today = evidence.sustained
    top = cap.bound.value * at.USUAL_EFFICIENCY if cap else math.inf
    value = max(min(today / (1 - min(share, 0.95)), top), today)
    high = max(min(value * 1.5, cap.bound.high if cap else math.inf), value)
    gain = Interval(1 + 0.5 * (value / today - 1), value / today, high / today)
    limit = change.next_limit or (label(cap) if cap and value >= top else "threads")
    return replace(
        change, gain=_rounded(gain), after=_rounded(gain.scaled(today)), next_limit=limit
    )


def with_app_machine(part: Part, cores: float, machines: int) -> Interval:
    """The processors' bound when one more machine runs Django.

    Other services on the first machine keep it; Django's share is spread over all. nginx' second
    hop costs up to a fifth of a short page (docs/benchmarks.md), which is the lower end.

    Args:
        part: the processors that Django uses, of `machines` machines.
        cores: of the machine that is added.
    """
    django = part.shares.get("django", 1.0) + part.shares.get("app_proxy", 0.0)
    django = min(max(django, 0.05), 1.0)
    together = (part.capacity + cores) / part.capacity
    kept = machines / max(1 - django, 1e-9)
    factor = min(together, kept)
    return widened(part.bound.scaled(factor), 0.85, 1.08)


def apart(part: Part) -> Interval:
    """The lower one of two bounds when Django leaves the machine for one of the same size."""
    django = min(max(part.shares.get("django", 0.0), 0.02), 0.98)
    return widened(part.bound.scaled(1 / max(django, 1 - django)), 0.85, 1.05)


def with_replica(part: Part, reads: float, replicas: int) -> Interval:
    """The database processor's bound with one more replica.

    Args:
        part: the processor; its share that is not PostgreSQL's stays.
        reads: share of PostgreSQL's work that a replica could take.
        replicas: that there are already.
    """
    share = part.shares.get("postgresql_primary", 1.0)
    before = reads / (replicas + 1)
    now = share * (1 - reads + before) + (1 - share)
    after = share * (1 - reads + reads / (replicas + 2)) + (1 - share)
    return widened(part.bound.scaled(now / max(after, 1e-9)), 0.85, 1.08)


def connections_of(evidence: Evidence, further: int) -> int:
    """Connections of Django with so many more machines like the largest one."""
    site = evidence.site
    each = {name: count * site.threads.get(name, 1) for name, count in site.workers.items()}
    return sum(each.values()) + further * max(each.values(), default=0)


def _rounded(interval: Interval) -> Interval:
    return Interval(round(interval.low, 3), round(interval.value, 3), round(interval.high, 3))
