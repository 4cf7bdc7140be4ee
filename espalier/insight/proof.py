"""Compare two recordings, before and after a change: the gain, as an interval, and a verdict.

Of two loads, what the site carried at most is compared; of two recordings of visitors, what a
request costs in processor time, or how long Django takes for it. Intervals are bootstrapped over
blocks of the recording, as requests of one moment resemble each other (moving parts of a site are
slow and fast for seconds, not for single requests).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import hypot
from statistics import fmean

from espalier.insight.advice import Change, Remedy
from espalier.insight.blocks import counts, pages, processor_times, response_times
from espalier.insight.differences import differences, not_comparable
from espalier.insight.evidence import Interval
from espalier.insight.recording import Load, Recording, Step

ROUNDS = 400
# Two runs of one site differ by so much more than their blocks tell: neighbours, placement, caches.
RUNS = 0.03
LEAST_BLOCKS = 6
# Recordings of visitors at rates that differ by more are not compared by their response times.
TRAFFIC = 1.3
# A step of a load fails where p95 is so many times that of the lowest rate, and can be noticed: as
# `espalier.load.judging` has it. The newer load is held to the answers of the older one.
SLOWER, NOTICED = 3.0, 0.1  # and seconds
# What these save is processor time a request, whatever the traffic.
SAVING = (
    Remedy.INDEX,
    Remedy.VIEW,
    Remedy.CODE,
    Remedy.CACHE,
    Remedy.MICROCACHE,
    Remedy.PGBOUNCER,
    Remedy.KEEP_CONNECTIONS,
)


class Outcome(StrEnum):
    """What two recordings show of a change."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    WORSE = "worse"
    NOTHING = "nothing proven"


@dataclass(frozen=True)
class Proof:
    """A comparison of two recordings.

    Attributes:
        sentence: the verdict, with its reason.
        measure: what was compared: "throughput", "processor time a request", "response time".
        before, after: its values: requests/s, or seconds.
        gain: above 1 is better, whatever is compared; None where nothing is proven.
        at_least: the limit after the change was not reached.
        predicted: of the advice, for the same measure; None without a number.
        changed: what differs between the two sites, a few words each.
    """

    outcome: Outcome
    sentence: str
    measure: str = ""
    before: float = 0.0
    after: float = 0.0
    gain: Interval | None = None
    at_least: bool = False
    predicted: Interval | None = None
    changed: Sequence[str] = ()


def prove(before: Recording, after: Recording, change: Change | None = None) -> Proof:
    """Compare a recording with one from before a change.

    Args:
        before: the older one.
        after: the newer one.
        change: what was advised of the older one; None where that is not known.
    """
    changed = differences(before, after)
    if reason := not_comparable(before, after, change, changed):
        return Proof(Outcome.NOTHING, reason, changed=changed)
    if before.load and after.load:
        return _of_loads(before, after, before.load, after.load, change, changed)
    return _of_visitors(before, after, change, changed)


def _of_loads(
    before: Recording,
    after: Recording,
    old: Load,
    new: Load,
    change: Change | None,
    changed: Sequence[str],
) -> Proof:
    first, second = best_step(old), best_step(new)
    if first is None or second is None:
        which, load = ("older", old) if first is None else ("newer", new)
        reason = f"The {which} load has no step that counts. {load.invalid}".strip()
        return Proof(Outcome.NOTHING, reason, changed=changed)
    if is_unlimited(old, old):
        reason = old.invalid or "every step passed. `espalier load --steps` with higher rates does."
        return Proof(
            Outcome.NOTHING,
            f"The load before the change did not reach what the site can do: {reason}",
            changed=changed,
        )
    at_least = is_unlimited(new, old)
    if at_least and second.achieved <= first.achieved:
        reason = new.invalid or new.ended
        return Proof(
            Outcome.NOTHING,
            f"The load after the change ended at {second.achieved:.1f} requests/s, which is not "
            f"more than what the site answered before ({first.achieved:.1f}). {reason}".strip(),
            changed=changed,
        )
    gain = ratio(
        counts(after, second),
        counts(before, first),
        second.achieved / first.achieved if first.achieved else 1.0,
        fmean,
    )
    return _judged(
        "throughput",
        first.achieved,
        second.achieved,
        gain,
        change.gain if change else None,
        changed,
        at_least=at_least,
    )


def best_step(load: Load) -> Step | None:
    """The step in which a site answered most; None where it answered in none.

    A site that is full goes on answering as many as it can. So a step that failed says more exactly
    how many that is than the last one that passed: steps are a quarter apart. One that the sender
    spoilt says nothing.
    """
    counted = [step for step in load.steps if step.answered - step.failed > 0 and not step.late]
    return max(counted, key=lambda step: step.achieved, default=None)


def is_unlimited(load: Load, reference: Load) -> bool:
    """Whether a load ended before it found what the site can do.

    Args:
        load: whose highest step is looked at.
        reference: an older load, or the same: answers have to be as quick as that one asked for. A
            load that began at a higher rate, where answers are slower already, asks for less.
    """
    counted = [step for step in load.steps if not step.late]
    highest = max(counted, key=lambda step: step.offered, default=None)
    if highest is None or not highest.passed:
        return False
    passed = [step for step in reference.steps if step.passed]
    lowest = min(passed, key=lambda step: step.offered, default=highest)
    return highest.p95 <= max(SLOWER * lowest.p95, NOTICED)


def _of_visitors(
    before: Recording, after: Recording, change: Change | None, changed: Sequence[str]
) -> Proof:
    if change and change.remedy in SAVING:
        measure, of = "processor time a request", processor_times
        # Of one machine, the throughput that was predicted is the inverse of a request's time. Of
        # several, it is that of the fullest one alone.
        predicted = change.gain if len(before.machines) == 1 else None
    else:
        measure, of = "response time", response_times
        predicted = None
        rates = [sum(pages(one).values()) / max(one.seconds, 1) for one in (before, after)]
        if min(rates) <= 0 or max(rates) / min(rates) > TRAFFIC:
            return Proof(
                Outcome.NOTHING,
                f"There were {rates[0] * 60:.0f} pages a minute before and {rates[1] * 60:.0f} "
                "after: with such different traffic response times say nothing about the change.",
                measure,
                changed=changed,
            )
    old, new = of(before), of(after)
    if min(len(old), len(new)) < LEAST_BLOCKS:
        return Proof(
            Outcome.NOTHING,
            "There were too few requests to compare: measure for longer, at a busier time.",
            measure,
            changed=changed,
        )
    value = fmean(old) / fmean(new) if fmean(new) else 1.0
    gain = ratio(old, new, value, fmean)
    return _judged(measure, fmean(old), fmean(new), gain, predicted, changed)


def ratio(
    above: Sequence[float],
    below: Sequence[float],
    value: float,
    of: Callable[[Sequence[float]], float],
) -> Interval:
    """A ratio of two series of blocks, with its interval of 95%.

    By bootstrap over the blocks (Efron 1979), and by what two runs of one site differ beside that;
    the two are independent, so that their squares add up.

    Args:
        above, below: blocks; where one has less than two, they say nothing of chance.
        value: the ratio as it was measured.
        of: what is compared of each series.
    """
    low = high = 1.0
    if min(len(above), len(below)) >= 2 and of(below) and of(above):
        dice = random.Random(1)
        middle = of(above) / of(below)
        found = sorted(
            of(dice.choices(above, k=len(above))) / (of(dice.choices(below, k=len(below))) or 1e-9)
            for _ in range(ROUNDS)
        )
        low, high = (found[int(share * ROUNDS)] / middle for share in (0.025, 0.975))
    return Interval(
        max(value * (1 - hypot(1 - low, RUNS)), 0.0), value, value * (1 + hypot(high - 1, RUNS))
    )


def _judged(
    measure: str,
    before: float,
    after: float,
    gain: Interval,
    predicted: Interval | None,
    changed: Sequence[str],
    at_least: bool = False,
) -> Proof:
    """The verdict on a gain that was measured."""
    short = predicted is not None and gain.high < predicted.low
    if at_least and short:
        outcome, sentence = (
            Outcome.NOTHING,
            "The load ended below what was predicted, and the site still kept up: "
            f"{gain.value:.2f} times as much, or more.",
        )
    elif gain.low > 1 and not short:
        outcome, sentence = Outcome.CONFIRMED, "The change does what was predicted."
        if predicted is None:
            sentence = "The change made it better."
    elif gain.high < 1:
        outcome, sentence = Outcome.WORSE, "The change made it worse: take it back."
    elif gain.low > 1:
        outcome, sentence = Outcome.NOT_CONFIRMED, "It is better, and by less than was predicted."
    else:
        outcome, sentence = Outcome.NOT_CONFIRMED, "No gain can be told from chance."
    return Proof(outcome, sentence, measure, before, after, gain, at_least, predicted, changed)
