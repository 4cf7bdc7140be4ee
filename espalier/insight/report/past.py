"""Proofs of earlier changes, as the ledger has them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espalier.insight.evidence import Interval
from espalier.insight.report.words import duration, rate, times

THROUGHPUT = "throughput"


@dataclass(frozen=True)
class Proof:
    """A change that was made, and what it brought.

    Attributes:
        made: when it was proven, UTC, as in a recording.
        change: what was done, a few words.
        outcome: "confirmed", "not confirmed" or "worse".
        measure: what was compared: "throughput" (requests/s), or something in seconds.
        before, after: its values.
        predicted: gain as it was predicted, a factor; None where there was no prediction.
        measured: gain as it was measured; above 1 is better, whatever was compared.
        at_least: the limit after the change was not reached.
    """

    made: str
    change: str
    outcome: str
    measure: str
    before: float
    after: float
    predicted: Interval | None
    measured: Interval
    at_least: bool = False

    @property
    def error(self) -> float | None:
        """How far what was measured is from the prediction, as a share of the latter."""
        if self.predicted is None or self.at_least or not self.predicted.value:
            return None
        return abs(self.measured.value / self.predicted.value - 1)

    @property
    def is_covered(self) -> bool:
        """Whether the predicted interval has the measured gain in it."""
        predicted = self.predicted
        return predicted is not None and predicted.low <= self.measured.value <= predicted.high

    @property
    def gain(self) -> str:
        """The gain in words."""
        return f"{'at least ' if self.at_least else ''}{times(self.measured)}"

    def shown(self, value: float) -> str:
        """One of the two values in its unit."""
        return rate(value) if self.measure == THROUGHPUT else duration(value)


def proofs(ledger: Sequence[Mapping[str, Any]], environment: str) -> list[Proof]:
    """The proofs of an environment, the newest first.

    Args:
        ledger: entries as `espalier.insight.ledger.ledger_entry` makes them, oldest first. Those
            that prove nothing, or that are of another form, are left out.
        environment: its name.
    """
    found = []
    for entry in ledger:
        measured = _interval(entry.get("measured"))
        values = _numbers(entry.get("values"), 2)
        if measured and values and entry.get("environment") == environment:
            found.append(_proof(entry, measured, values[0], values[1]))
    return found[::-1]


def median_error(shown: Sequence[Proof]) -> float | None:
    """The median error of predictions, a share; None without any."""
    errors = [proof.error for proof in shown if proof.error is not None]
    return statistics.median(errors) if errors else None


def _proof(entry: Mapping[str, Any], measured: Interval, before: float, after: float) -> Proof:
    day = str(entry.get("made", ""))[:10]
    remedy, place = str(entry.get("remedy", "")), str(entry.get("place", ""))
    change = f"{remedy} for {place}" if remedy and place else remedy or "a change"
    return Proof(
        made=day,
        change=f"{change}, {day}" if day else change,
        outcome=str(entry.get("outcome", "")),
        measure=str(entry.get("measure", "")),
        before=before,
        after=after,
        predicted=_interval(entry.get("predicted")),
        measured=measured,
        at_least=bool(entry.get("at_least")),
    )


def _interval(value: Any) -> Interval | None:
    found = _numbers(value, 3)
    return Interval(*found) if found else None


def _numbers(value: Any, count: int) -> list[float] | None:
    """So many numbers of JSON; None where it is something else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    return (
        [float(one) for one in value]
        if all(isinstance(one, int | float) for one in value)
        else None
    )
