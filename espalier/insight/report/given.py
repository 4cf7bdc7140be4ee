"""What goes into a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espalier.insight.advice import Advice
from espalier.insight.evidence import Evidence
from espalier.insight.recording import Recording
from espalier.insight.report.past import Proof
from espalier.insight.trend import Trend


@dataclass(frozen=True)
class Given:
    """All that a report is made of.

    Attributes:
        proofs: of earlier changes, the newest first.
        trend: of days of production; None where there are too few.
    """

    recording: Recording
    evidence: Evidence
    advice: Advice
    proofs: Sequence[Proof] = ()
    trend: Trend | None = None
