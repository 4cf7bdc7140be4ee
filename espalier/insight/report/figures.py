"""The figures of a report: the four words with their values, rates, utilisation over time."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from espalier.insight.advice import Advice
from espalier.insight.evidence import Evidence
from espalier.insight.recording import Machine, Recording, Step
from espalier.insight.report.words import availability, duration, number, rate, share, span

MINUTE = 60.0


@dataclass(frozen=True)
class Word:
    """One of the four words: its value, and a note in small."""

    word: str
    value: str
    unit: str
    note: str


def four_words(recording: Recording, evidence: Evidence, advice: Advice) -> list[Word]:
    """Response time, throughput, availability and utilisation, as they were measured."""
    return [
        _response_time(recording, evidence),
        _throughput(evidence, advice),
        _availability(recording, evidence),
        _utilisation(evidence),
    ]


def _response_time(recording: Recording, evidence: Evidence) -> Word:
    half = median_response(recording, evidence)
    note = f"half within {duration(half)}" if half is not None else ""
    value = duration(evidence.slow) if evidence.slow else "not known"
    return Word("Response time", value, "95% are quicker" if evidence.slow else "", note)


def _throughput(evidence: Evidence, advice: Advice) -> Word:
    is_load = evidence.load is not None
    value = evidence.sustained if is_load else evidence.rate
    note = f"{rate(value)}"
    if is_load and not evidence.failed:
        note += ", and more was not tried"
    elif not is_load and advice.limit:
        note += f"; at most {number(advice.limit.value)}"
    return Word("Throughput", number(value * MINUTE), "requests per minute", note)


def _availability(recording: Recording, evidence: Evidence) -> Word:
    times = recording.seconds
    note = f"in {span(times)}" if evidence.load is None else "at that throughput"
    if not evidence.rate:
        return Word("Availability", "not known", "", "no request came")
    return Word("Availability", availability(evidence.errors), "without an error", note)


def _utilisation(evidence: Evidence) -> Word:
    hard = [part for part in evidence.parts if part.is_hard]
    if not hard:
        return Word("Utilisation", "not known", "", "")
    fullest = max(hard, key=lambda part: part.utilisation)
    value = share(min(fullest.utilisation, 1.0))
    return Word("Utilisation", value, "of the fullest part", fullest.name)


def median_response(recording: Recording, evidence: Evidence) -> float | None:
    """The time within which half of the requests were answered; of a load, at its knee."""
    load = evidence.load
    if load is not None:
        passed = [step for step in load.steps if step.passed]
        return max(passed, key=lambda step: step.offered).p50 if passed else None
    took = [request.took for _, request in recording.requests()]
    return statistics.median(took) if took else None


def busiest_minute(recording: Recording) -> float | None:
    """Requests/s of the busiest whole minute; None of a load, and of less than two minutes."""
    if recording.load is not None or recording.seconds < 2 * MINUTE:
        return None
    minutes: Counter[int] = Counter()
    last = int(recording.seconds // MINUTE)
    for name, request in recording.requests():
        minute = int((request.t - recording.began) // MINUTE)
        if 0 <= minute < last:
            minutes[minute] += recording.machines[name].every
    return max(minutes.values()) / MINUTE if minutes else None


def rates(recording: Recording, evidence: Evidence) -> list[tuple[str, float]]:
    """The rates to be held against bounds: of a load what was stood, else today's."""
    if evidence.load is not None:
        name = "knee of the load" if evidence.failed else "highest rate tried"
        return [(name, evidence.sustained)]
    peak = busiest_minute(recording)
    return [("today", evidence.rate)] + ([("busiest minute", peak)] if peak else [])


def utilisation(machine: Machine) -> list[float]:
    """Share of the machine's cores that are busy, one value a sample."""
    return [sample.processor.busy / machine.cores for sample in machine.samples if machine.cores]


def counted_steps(steps: Sequence[Step]) -> list[Step]:
    """The steps of a load that say something: something was sent in them."""
    return [step for step in steps if step.sent and step.ended > step.began]
