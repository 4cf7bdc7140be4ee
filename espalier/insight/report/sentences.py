"""Sentences of a report that are made of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espalier.insight.advice import LIMITS, Advice, Change, Verdict
from espalier.insight.evidence import Evidence
from espalier.insight.pareto import Item
from espalier.insight.price import today
from espalier.insight.recording import Load, Recording
from espalier.insight.report.past import Proof, median_error
from espalier.insight.report.words import (
    bounds,
    moment,
    money,
    number,
    rate,
    share,
    span,
    times,
)

_VERDICTS = {
    Verdict.BOTTLENECK: "Bottleneck: {place}, {where}",
    Verdict.TWO: "Two bottlenecks together",
    Verdict.OUTSIDE: "Outside of the site's machines",
    Verdict.NOTHING: "Nothing to change",
    Verdict.SMALLER: "The site could be smaller",
    Verdict.UNKNOWN: "Not enough load to tell",
    Verdict.UNEXPLAINED: "Slow, and not explained",
}
FEW = 0.1  # share of the time from which a view is worth a sentence


def how(recording: Recording) -> str:
    """When, how long and in which way was measured."""
    when = f"{moment(recording.began)}, for {span(recording.seconds)}"
    if recording.load:
        return f"Measured under load on {when}. Profile: {recording.load.profile}."
    return f"Measured on {when}, while real visitors came."


def verdict(advice: Advice) -> str:
    """What was found, in a few words."""
    place = advice.place.value
    words = _VERDICTS[advice.verdict].format(place=place, where=advice.where)
    return words.rstrip(", ")


def certainty(advice: Advice) -> str:
    """How sure that is; "" where a verdict has no place that one could be sure of."""
    return f"{share(advice.certainty)} sure" if advice.verdict in LIMITS else ""


def prediction(change: Change) -> str:
    """What a change is expected to bring, and the limit that comes next; "" without a number."""
    told = ""
    if change.after:
        now = today(change)
        told = f"from {number(now)} to" if now else "up to"
        told += f" {number(change.after.value)} requests/s ({bounds(change.after)})"
        told += f", {times(change.gain)}" if change.gain else ""
    elif change.gain:
        told = f"{times(change.gain)} the throughput"
    elif change.response:
        told = "answers are quicker; how many there can be is not known to change"
    if told and change.next_limit:
        told += f". The next limit is then: {change.next_limit}"
    return f"{told}." if told and not told.endswith(".") else told


def cost(amount: float, currency: str) -> str:
    """What a change costs a month."""
    if not amount:
        return "nothing a month: no machine is bought for it"
    saved = "saves " if amount < 0 else ""
    return f"{saved}{money(abs(amount), currency)} a month"


def load(one: Load) -> str:
    """How a load ended."""
    told = f"The knee is at {rate(one.knee)}: the highest rate that passed." if one.knee else ""
    if not one.knee:
        told = "No rate passed."
    if not one.valid and one.knee:
        told = f"The site carries {rate(one.knee)}, or more: {one.invalid.rstrip('.')}."
    elif not one.valid:
        told = f"The load does not count: {one.invalid.rstrip('.')}."
    return f"{told} {one.ended}".strip()


def halved(views: Sequence[Item]) -> str:
    """What it would bring to make the costliest view twice as quick; "" where that is little."""
    if not views or views[0].share < FEW:
        return ""
    first = views[0]
    return (
        f"If {first.name} took half of its time, the site could answer up to "
        f"{first.halved:.2f} times as much, as far as this time is the limit."
    )


def no_split(evidence: Evidence) -> str:
    """Why the time of a request cannot be split."""
    if evidence.rate_django <= 0:
        return "No request came to Django, so that there is no time to be split."
    if not evidence.site.overlay:
        return (
            "Django did not tell its times: the site does not use the kit's settings overlay, "
            "which measures them."
        )
    return (
        "Django did not tell its times. Its overlay is older than this kit: run `espalier site`, "
        "and measure again."
    )


def waits(found: Mapping[str, float], least: float = 0.02) -> str:
    """What sessions of the database did: `computing 70%, IO:DataFileRead 20%`."""
    total = sum(found.values())
    if not total:
        return ""
    ordered = sorted(found.items(), key=lambda one: -one[1])
    kept = [(name, value / total) for name, value in ordered if value / total >= least]
    return ", ".join(
        f"{'computing' if name == 'CPU' else name} {share(part)}" for name, part in kept
    )


def record(proofs: Sequence[Proof]) -> str:
    """How good predictions have been until now."""
    error = median_error(proofs)
    if error is None:
        return ""
    inside = sum(proof.is_covered for proof in proofs)
    return (
        f"Of {len(proofs)} prediction{'' if len(proofs) == 1 else 's'}, {inside} had the gain "
        f"within the interval; the median error is {share(error)}."
    )


def notes(recording: Recording) -> list[str]:
    """What the foot of a page says: the measurement, its cost, and what could not be read."""
    found = [f"Measurement {recording.id}, by espalier {recording.kit}."]
    costs = [machine.cost for machine in recording.machines.values() if machine.cost]
    if costs:
        cpu = max(cost.get("cpu", 0.0) for cost in costs)
        memory = max(cost.get("memory_mb", 0.0) for cost in costs)
        found.append(
            f"Measuring took at most {share(cpu)} of a core and {number(memory)} MiB on a machine."
        )
    found += [
        f"{name}: {sentence}"
        for name, machine in recording.machines.items()
        for sentence in machine.errors
    ]
    found.append("Queries are shown without their literals. This page loads nothing.")
    return found
