"""From evidence to an advice: what limits the site, and the one change to make first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from espalier.insight import thresholds as at
from espalier.insight.advice import Advice, Change, Place, Remedy, Verdict
from espalier.insight.edits import merged
from espalier.insight.evidence import Evidence, Interval
from espalier.insight.finding import Finding, Level
from espalier.insight.judge import Choice, can_be_judged, choose
from espalier.insight.predict import label, predicted, step_ratio
from espalier.insight.rules import RULES
from espalier.insight.state import load_of, silent, strained, suffering
from espalier.insight.words import duration, listed, percent, rate

_OUTSIDE = (Place.OUTSIDE, Place.VISITORS)
# What an advice says it has ruled out: in the order in which people ask.
_RULED_OUT = (
    Place.APP_PROCESSOR,
    Place.DATABASE_PROCESSOR,
    Place.DISK,
    Place.MEMORY,
    Place.LOCKS,
    Place.CONNECTIONS,
    Place.POOL,
    Place.THREADS,
    Place.NETWORK,
    Place.REDIS_MEMORY,
    Place.OUTSIDE,
    Place.HOST,
)
_SAME = {Place.DATABASE_WRITES: Place.DATABASE_PROCESSOR, Place.WORKERS: Place.APP_PROCESSOR}


def advise(evidence: Evidence) -> Advice:
    """What is to be said of a recording: verdict, evidence, one change first, and others."""
    if not evidence.enough:
        return _nothing(
            evidence, Verdict.UNKNOWN, evidence.why_not or "There is too little load to tell."
        )
    findings = [finding for rule in RULES for finding in rule(evidence)]
    choice = choose(evidence, findings)
    if choice is None:
        return _without_limit(evidence, findings)
    first = choice.findings[0]
    two = len(choice.findings) > 1
    changes = [_both(evidence, choice)] if two else list(first.changes)
    verdict = Verdict.TWO if two else Verdict.BOTTLENECK
    if first.place in _OUTSIDE:
        verdict = Verdict.OUTSIDE
    where = " and ".join(one.where for one in choice.findings)
    return Advice(
        verdict,
        Place.SEVERAL if two else first.place,
        where,
        _sentence(choice),
        round(choice.certainty, 3),
        _limit(evidence, choice.beneath[0] if choice.beneath else first),
        [
            sentence
            for one in (*choice.findings, *choice.beneath)
            for sentence in (one.evidence[:1] if one in choice.beneath else one.evidence)
        ]
        + _knee(evidence),
        changes[0] if changes else None,
        _others(choice, changes, findings),
        _ruled_out(evidence, findings),
        evidence.site.currency,
    )


def _knee(evidence: Evidence) -> list[str]:
    if not evidence.failed or evidence.sustained <= 0:
        return []
    return [f"visitors are answered well up to {rate(evidence.sustained)}"]


def _sentence(choice: Choice) -> str:
    if len(choice.findings) > 1:
        one, other = choice.findings[:2]
        return (
            f"Two parts are full at about the same rate: {one.place.value} ({one.where}) and "
            f"{other.place.value} ({other.where}). To mend one of them alone gains next to nothing."
        )
    first = choice.findings[0]
    if first.place == Place.VISITORS:
        return "The site is quick; its visitors' lines are slow for what is sent to them."
    if first.place == Place.OUTSIDE:
        return f"The site waits for something outside of it, in {first.where or 'its views'}."
    return f"The limit is {first.place.value}: {first.where}."


def _limit(evidence: Evidence, first: Finding) -> Interval | None:
    """The rate that the site answers at most: the part's bound, else where the load failed."""
    if first.part is not None and first.part.is_hard:
        return first.part.bound
    if evidence.failed and evidence.sustained > 0:
        ratio = max(step_ratio(evidence.load), 1.05)
        return Interval(evidence.sustained, evidence.sustained, evidence.sustained * ratio)
    return first.part.bound if first.part is not None else None


def _both(evidence: Evidence, choice: Choice) -> Change:
    """What mends two parts that are full together, as one change."""
    one, other = (finding.changes[0] for finding in choice.findings[:2])
    parts = [finding.part for finding in choice.findings[:2] if finding.part]
    gains = [change.gain for change in (one, other) if change.gain]
    costs = [change.cost for change in (one, other)]
    known = [cost for cost in costs if cost is not None]
    change = Change(
        one.remedy,
        Place.SEVERAL,
        f"Both, as either alone gains next to nothing. {one.sentence} {other.sentence}",
        merged([*one.edits, *other.edits]),
        statement=one.statement or other.statement,
        where=one.where or other.where,
        then=list(dict.fromkeys([*one.then, *other.then])),
        cost=sum(known) if len(known) == len(costs) else None,
    )
    # Each part's own new bound, before the other one caps it, is not in its change any more: twice
    # the capacity is what either remedy brings at most.
    if len(parts) == 2 and gains:
        changed = [(part, _doubled(part.bound)) for part in parts]
        named = {id(part) for part in parts}
        changed += [
            (part, _doubled(part.bound))
            for part in evidence.parts
            if id(part) not in named
            and part.is_hard
            and any(
                set(part.machines) & set(full.machines)
                and (part.service or part.busiest) == (full.service or full.busiest)
                for full in parts
            )
        ]
        change = predicted(change, evidence, changed)
    return change


def _doubled(bound: Interval) -> Interval:
    return Interval(bound.low * 1.4, bound.value * 1.85, bound.high * 2.0)


def _others(choice: Choice, changes: Sequence[Change], findings: Sequence[Finding]) -> list[Change]:
    """Further changes: of the same place, then of what else was found, by what each gains."""
    rest = list(changes[1:])
    if len(choice.findings) > 1:
        rest += [change for one in choice.findings for change in one.changes]
    named = [id(one) for one in choice.findings]
    beside = choice.findings[0].level == Level.HARD
    others = [
        _quicker(change, one) if beside and one.level == Level.CAUSE else _shared(change, one)
        for one in findings
        if id(one) not in named and one.level != Level.SOFT
        for change in one.changes[:2]
    ]
    rest += sorted(others, key=lambda one: -(one.gain.value if one.gain else 0) - one.share)
    first = changes[0] if changes else None
    result: list[Change] = []
    seen = [_key(first)] if first else []
    for change in rest:
        gains_nothing = change.gain is not None and change.gain.value < at.WORTH_NAMING
        if _key(change) not in seen and change.remedy != Remedy.SMALLER and not gains_nothing:
            seen.append(_key(change))
            result.append(change)
    return result


def _shared(change: Change, finding: Finding) -> Change:
    return replace(change, share=change.share or finding.strength)


def _quicker(change: Change, finding: Finding) -> Change:
    """A change of what threads wait for, beside a full device: answers are quicker, not more."""
    shared = _shared(change, finding)
    return replace(shared, gain=None, after=None, next_limit="", per_thousand=None, response=True)


def _key(change: Change) -> tuple[object, ...]:
    return change.remedy, change.where, list(change.edits)


def _ruled_out(evidence: Evidence, findings: Sequence[Finding]) -> list[str]:
    found = {_SAME.get(one.place, one.place) for one in findings}
    return [
        place.value for place in _RULED_OUT if place not in found and can_be_judged(place, evidence)
    ]


def _without_limit(evidence: Evidence, findings: Sequence[Finding]) -> Advice:
    """Nothing is full: all is well, or nobody knows why it is not."""
    if unheard := silent(evidence):
        return _nothing(
            evidence,
            Verdict.UNKNOWN,
            f"Nothing that is known is full, and {listed(unheard)} told nothing in the seconds "
            "that count: measure again.",
        )
    if suffering(evidence):
        return _nothing(
            evidence,
            Verdict.UNEXPLAINED,
            "The site is slow or fails, and no part that is known is full.",
            findings,
        )
    smaller = [one for one in findings if one.remedy == Remedy.SMALLER]
    if smaller:
        return _nothing(
            evidence,
            Verdict.SMALLER,
            "The site has far more than it needs.",
            findings,
            smaller[0].changes[0],
        )
    return _nothing(
        evidence,
        Verdict.NOTHING,
        "Nothing is full, and answers are quick: change nothing.",
        findings,
    )


def _nothing(
    evidence: Evidence,
    verdict: Verdict,
    sentence: str,
    findings: Sequence[Finding] = (),
    change: Change | None = None,
) -> Advice:
    hard = [part for part in evidence.parts if part.is_hard and part.bound.value > 0]
    lowest = min(hard, key=lambda part: part.bound.value, default=None)
    said = []
    if verdict is not Verdict.UNKNOWN:
        said.append(
            f"{rate(evidence.sustained)} were answered, 95% of them within "
            f"{duration(evidence.slow)}"
        )
        if lowest is not None:
            said.append(
                f"the part that is nearest to its limit is used for "
                f"{percent(load_of(evidence, lowest))}: {label(lowest)}, full at "
                f"{rate(lowest.bound.value)}"
            )
    known = verdict is not Verdict.UNKNOWN and not strained(evidence)
    certainty = {Verdict.UNKNOWN: 0.0, Verdict.UNEXPLAINED: 0.5}.get(verdict, 0.9)
    others = [
        replace(one, share=one.share or finding.strength)
        for finding in findings
        for one in finding.changes[:1]
        if one is not change
    ]
    return Advice(
        verdict,
        Place.NOWHERE,
        "",
        sentence,
        certainty,
        lowest.bound if lowest is not None and known else None,
        said,
        change,
        sorted(others, key=lambda one: -one.share),
        _ruled_out(evidence, findings) if verdict is not Verdict.UNKNOWN else [],
        evidence.site.currency,
    )
