"""Judge results: pure functions over what was expected, said, predicted and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.trials.expected import EXPECTED, Expected

# Verdicts of an advice that names a place; with any other the place is nowhere.
ABSTAINED = ("not enough load to tell", "unexplained")


@dataclass(frozen=True)
class Answer:
    """What somebody said of one trial: `advise`, or a baseline, which gives no verdict."""

    trial: str
    place: str
    remedy: str
    verdict: str | None = None


@dataclass(frozen=True)
class Gain:
    """A prediction, and what was measured; `at_least`: the limit was not reached."""

    low: float
    value: float
    high: float
    measured: float
    at_least: bool = False

    @property
    def is_covered(self) -> bool:
        """Whether the measured gain is in the predicted interval; "at least" has no upper bound."""
        if self.at_least:
            return self.measured <= self.high
        return self.low <= self.measured <= self.high

    @property
    def error(self) -> float:
        """Of the predicted value, as a share of the measured one."""
        return abs(self.value / self.measured - 1)


@dataclass(frozen=True)
class Score:
    """How many answers are right, of how many."""

    count: int
    places: int
    remedies: int

    @property
    def place(self) -> float:
        """Share of right places."""
        return self.places / self.count if self.count else 0.0

    @property
    def remedy(self) -> float:
        """Share of right remedies."""
        return self.remedies / self.count if self.count else 0.0


def answer_of(trial: str, advice: Mapping[str, Any]) -> Answer:
    """What an advice says, from its JSON."""
    change = advice.get("change") or {}
    abstained = advice["verdict"] in ABSTAINED
    place = advice["verdict"] if abstained else advice["place"]
    remedy = "abstained" if abstained else change.get("remedy", "nothing")
    return Answer(trial, place, remedy, advice["verdict"])


def is_right_place(answer: Answer, expected: Expected) -> bool:
    """Whether the place is one of those that are right, with a verdict that fits.

    Two parts that are full together are known by the verdict; the place says it, too.
    """
    verdicts = [one.value for one in expected.verdicts]
    fits = answer.verdict is None or answer.verdict in verdicts
    return fits and answer.place in [one.value for one in expected.places]


def is_right_remedy(answer: Answer, expected: Expected) -> bool:
    """Whether the first remedy is one of those that are right."""
    return answer.remedy in [one.value for one in expected.remedies]


def score(answers: Sequence[Answer]) -> Score:
    """Count right answers; one of an unknown trial is a KeyError."""
    pairs = [(answer, EXPECTED[answer.trial]) for answer in answers]
    return Score(
        len(pairs),
        sum(is_right_place(*pair) for pair in pairs),
        sum(is_right_remedy(*pair) for pair in pairs),
    )


def confusion(answers: Sequence[Answer]) -> dict[str, Counter[str]]:
    """Expected place (the first one) -> place that was said -> how often.

    A right answer that is not the first place counts as that first place.
    """
    matrix: dict[str, Counter[str]] = {}
    for answer in answers:
        expected = EXPECTED[answer.trial]
        first = expected.places[0].value
        said = first if is_right_place(answer, expected) else answer.place
        if said == first and not is_right_place(answer, expected):
            said = f"{answer.place} ({answer.verdict})"
        matrix.setdefault(first, Counter())[said] += 1
    return matrix


def gain_of(advice: Mapping[str, Any], proof: Mapping[str, Any]) -> Gain | None:
    """The prediction and the measurement of a whole loop; None where either is missing."""
    predicted = (advice.get("change") or {}).get("gain")
    measured = proof.get("gain")
    if not predicted or not measured or proof.get("measure", "throughput") != "throughput":
        return None
    return Gain(
        predicted["low"],
        predicted["value"],
        predicted["high"],
        measured["value"],
        bool(proof.get("at_least")),
    )


def coverage(gains: Sequence[Gain]) -> float | None:
    """Share of predicted intervals that have the measured gain in them; None without any."""
    return sum(gain.is_covered for gain in gains) / len(gains) if gains else None


def median_error(gains: Sequence[Gain]) -> float | None:
    """Median error of predicted gains; those of which only a lower bound was seen are left out."""
    errors = [gain.error for gain in gains if not gain.at_least and gain.measured > 0]
    return median(errors) if errors else None
