"""What goes into a report, and what it says of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espalier.insight.advice import Advice
from espalier.insight.evidence import Evidence, Interval
from espalier.insight.recording import Recording


@dataclass(frozen=True)
class Proof:
    """A change that was made, and what it brought.

    Attributes:
        made: when, Unix seconds.
        change: what was done, a few words.
        outcome: "confirmed", "not confirmed" or "worse".
        before, after: requests/s.
        predicted: gain as it was predicted, a factor; None where there was no prediction.
        measured: gain as it was measured.
    """

    made: float
    change: str
    outcome: str
    before: float
    after: float
    predicted: Interval | None
    measured: Interval

    @property
    def error(self) -> float | None:
        """How far the prediction was off, as a share of what was measured."""
        if self.predicted is None or not self.measured.value:
            return None
        return abs(self.predicted.value - self.measured.value) / self.measured.value

    @property
    def is_covered(self) -> bool:
        """Whether the predicted interval has the measured gain in it."""
        predicted = self.predicted
        return predicted is not None and predicted.low <= self.measured.value <= predicted.high


@dataclass(frozen=True)
class Given:
    """All that a report is made of; `proofs` are the newest first."""

    recording: Recording
    evidence: Evidence
    advice: Advice
    proofs: Sequence[Proof] = ()
