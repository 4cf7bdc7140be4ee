"""What a rule finds: a place, how it is to be understood, and what would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Part


class Level(IntEnum):
    """How a finding is to be understood; those that are judged first come first."""

    FAILURE = 1  # requests fail, or a machine is starved: named whatever else is full
    HARD = 2  # a device's time is used up
    CAUSE = 3  # threads wait for this, while the hardware is idle
    SOFT = 4  # a number that somebody has set is too small; the hardware beneath is idle
    REASON = 5  # why a hard part is busy: goes before more hardware, where it gains as much
    NOTE = 6  # worth doing, and no limit today


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    Attributes:
        where: machine, service, view or path, as an advice says it.
        strength: 0 to 1: how clear the signs are; of a cause, its share of the response.
        part: the hard or soft part that is full, if it is about one.
        explains: the services whose work it makes ("django", "postgresql_primary").
        changes: what to do, best first.
    """

    place: Place
    where: str
    level: Level
    strength: float
    evidence: Sequence[str] = ()
    changes: Sequence[Change] = ()
    part: Part | None = None
    explains: Sequence[str] = ()

    @property
    def remedy(self) -> Remedy:
        """The first remedy."""
        return self.changes[0].remedy if self.changes else Remedy.NOTHING
