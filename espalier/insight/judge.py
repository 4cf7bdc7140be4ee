"""Which of the findings is the one to name first.

The order: what starves or fails requests; a cause that threads wait for while no device is full; a
device that is full, or the reason why it is; a number that somebody has set. A full thread pool is
a symptom: it is named only where everything beneath is idle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from espalier.insight import thresholds as at
from espalier.insight.advice import Place, Remedy
from espalier.insight.evidence import Evidence, Kind
from espalier.insight.finding import Finding, Level
from espalier.insight.price import comparable
from espalier.insight.state import load_of, saturated, silent

_FAILURES = (Place.CONNECTIONS, Place.MEMORY, Place.HOST)
_SOFT = (Place.POOL, Place.THREADS, Place.OUTSIDE)
_DATABASE = (Place.DATABASE_PROCESSOR, Place.DATABASE_WRITES, Place.DISK, Place.MEMORY)


@dataclass(frozen=True)
class Choice:
    """What is named: one finding, or two that are full together; and how sure that is.

    `beneath` is what is full for the reason that is named.
    """

    findings: Sequence[Finding]
    certainty: float
    beneath: Sequence[Finding] = ()


def choose(evidence: Evidence, findings: Sequence[Finding]) -> Choice | None:
    """The finding to name first; None where none is a limit."""
    failures = [one for one in findings if one.level == Level.FAILURE]
    if failures:
        first = min(failures, key=lambda one: (_FAILURES.index(one.place), -one.strength))
        return Choice([first], _sure(first.strength))
    causes = sorted(_at(findings, Level.CAUSE), key=lambda one: -one.strength)
    soft = sorted(_at(findings, Level.SOFT), key=lambda one: _SOFT.index(one.place))
    hard = _merged(_at(findings, Level.HARD))
    full = [one for one in hard if one.part and load_of(evidence, one.part) >= at.FULL]
    if causes and not _stands(evidence, full, causes[0]):
        return _explained(findings, causes[0])
    if hard and not (soft and soft[0].strength >= at.STRONG and not full):
        return _hard(evidence, findings, hard)
    if soft:
        return Choice([soft[0]], _sure(soft[0].strength))
    return None


def _at(findings: Sequence[Finding], level: Level) -> list[Finding]:
    return [one for one in findings if one.level == level]


def _sure(strength: float) -> float:
    """The certainty of a sign: it was met, so it is more likely than not."""
    return min(0.97, 0.6 + 0.4 * strength)


def _bound(finding: Finding) -> float:
    return finding.part.bound.value if finding.part else math.inf


def _merged(hard: Sequence[Finding]) -> list[Finding]:
    """Hard findings, the lowest bound first, one for each place and machine."""
    result: list[Finding] = []
    for one in sorted(hard, key=_bound):
        same = any(other.place == one.place and _overlap(other, one) for other in result)
        if not same:
            result.append(one)
    return result


def _overlap(one: Finding, other: Finding) -> bool:
    return bool(one.part and other.part and set(one.part.machines) & set(other.part.machines))


def _stands(evidence: Evidence, full: Sequence[Finding], cause: Finding) -> bool:
    """Whether a full device is the limit, rather than the cause beside it.

    A cause that says why the device's own place is full is the better name for it. So is one that
    threads are held by for most of their time, where they run out before the device does.
    """
    if not full:
        return False
    soft = [part.bound.value for part in evidence.parts if part.kind in (Kind.THREADS, Kind.POOL)]
    if cause.strength >= at.STRONG and min(soft, default=math.inf) <= _bound(full[0]):
        return False
    if any(one.place == cause.place for one in full):
        return False
    # The disk is busy as the data that is read does not fit into memory.
    return not (cause.place == Place.MEMORY and all(one.place == Place.DISK for one in full))


def _explained(findings: Sequence[Finding], cause: Finding) -> Choice:
    """A cause, or what explains it: an index that is missing makes the disk read."""
    if cause.place in _DATABASE:
        for one in findings:
            if one.place == Place.QUERY and one.level != Level.HARD and one.explains:
                better = one.changes and one.changes[0].statement.upper().startswith("CREATE")
                if better:
                    return Choice([one], _sure(cause.strength))
    return Choice([cause], _sure(cause.strength))


def _hard(evidence: Evidence, findings: Sequence[Finding], hard: Sequence[Finding]) -> Choice:
    near = [one for one in hard if _bound(one) <= at.MARGIN * _bound(hard[0])]
    certain = _certain(evidence, hard[0])
    if len(near) == 1 and certain < at.CERTAIN and len(hard) > 1:
        # The intervals overlap so much that the order may be the other way round.
        near = list(hard[:2]) if _bound(hard[1]) <= at.MARGIN**2 * _bound(hard[0]) else near
    reason = _reason(findings, near)
    if reason:
        return Choice([reason], _sure(max(reason.strength, 0.5)), near)
    if len(near) > 1:
        both = sum(_certain(evidence, one) for one in near[:2])
        return Choice(near[:2], min(both, at.MOST_CERTAIN))
    return Choice([hard[0]], certain)


def _certain(evidence: Evidence, first: Finding) -> float:
    """The probability that one place is the lowest: of all its parts together."""
    same = [
        part.lowest
        for part in evidence.parts
        if first.part
        and part.is_hard
        and set(part.machines) & set(first.part.machines)
        and (part.service or part.busiest) == (first.part.service or first.part.busiest)
    ]
    total = sum(same)
    if not total:
        total = evidence.certain
    return min(max(total, 0.0), at.MOST_CERTAIN)


def _reason(findings: Sequence[Finding], near: Sequence[Finding]) -> Finding | None:
    """Why the parts are full, where mending it gains enough, or as much as more hardware."""
    wanted = [
        {one.part.service or one.part.busiest, one.part.busiest} if one.part else set()
        for one in near
    ]
    tier = max(
        (one.changes[0].gain for one in near if one.changes and one.changes[0].gain),
        key=lambda gain: gain.value,
        default=None,
    )
    fitting = []
    for one in findings:
        if one.level not in (Level.REASON, Level.CAUSE) or not one.changes:
            continue
        if not all(names & set(one.explains) for names in wanted):
            continue
        gain = one.changes[0].gain
        if gain is None:
            continue
        better = tier is None or gain.value >= tier.value
        # Whether a page may be a minute old is the owner's to say, so a cache has to beat the tier.
        # What is wrong in a query, a view or a number only has to be worth mending.
        cached = one.remedy in (Remedy.MICROCACHE, Remedy.CACHE)
        enough = better or (not cached and (comparable(gain, tier) or gain.value >= at.REASON_GAIN))
        if enough and gain.value > 1.0:
            fitting.append((gain.value, one))
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def can_be_judged(place: Place, evidence: Evidence) -> bool:
    """Whether a place could be judged at all from what was measured."""
    end = saturated(evidence)
    if place in (Place.LOCKS, Place.CONNECTIONS, Place.QUERY):
        return bool(end.database.max_connections or end.database.waits)
    if place == Place.POOL:
        return bool(end.pool)
    if place == Place.REDIS_MEMORY:
        return bool(end.redis)
    if place in (Place.OUTSIDE, Place.THREADS, Place.VISITORS):
        return end.timing and end.split.total > 0
    if silent(evidence):
        return False
    if place == Place.NETWORK:
        return len(end.machines) > 1
    return bool(end.machines)
