"""What is new: which units began to fail since the last look, and for which it is over.

A unit that comes and goes is told a bounded number of times: the more often it began lately, the
longer it has to be well before that is told, and until then it is not told anew. One that stays
failed is told anew where its program finds something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from espalier_machine.alerts.units import Problem

LATELY = 6 * 3600  # seconds
# By how often a unit began to fail lately: seconds that it has to be well.
WELL_FOR = (0, 600, 3600)
# So often lately is told that a unit, which still fails, has found something else.
ANEW = 10


@dataclass
class Open:
    """What was told of a unit, and is not over."""

    what: str
    since: float
    well_since: float = 0.0  # 0 while it fails
    findings: list[str] = field(default_factory=list)


@dataclass
class State:
    """What is kept between two looks.

    Attributes:
        open: what is not over, by unit.
        begun: by unit, when it began to fail lately (Unix seconds).
        restarts: how often daemons were started again, as `units.restarts` gives it.
        running: when units that should run were last seen to, as `units.running` gives it.
        outbox: messages that could not be sent yet.
        heartbeat: when the last one was sent.
    """

    open: dict[str, Open] = field(default_factory=dict)
    begun: dict[str, list[float]] = field(default_factory=dict)
    restarts: dict[str, list[list[float]]] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    outbox: list[dict[str, Any]] = field(default_factory=list)
    heartbeat: float = 0.0

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> State:
        """Read what `asdict` gave."""
        known = {name: Open(**one) for name, one in data.get("open", {}).items()}
        return cls(**{**data, "open": known})

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class News:
    """What is to be told now."""

    begun: Mapping[str, Open]
    over: Mapping[str, Open]


def decide(
    state: State, problems: Mapping[str, Problem], undecided: Collection[str], now: float
) -> News:
    """Compare what fails now with what was told, and bring the state up to date.

    Args:
        state: is changed.
        problems: what fails now, by unit.
        undecided: units of which it cannot be told whether it is over.
        now: Unix seconds.
    """
    state.begun = {
        unit: recent
        for unit, times in state.begun.items()
        if (recent := [one for one in times if one > now - LATELY])
    }
    begun, over = {}, {}
    for unit, problem in problems.items():
        if unit in state.open:
            known = state.open[unit]
            known.well_since = 0.0
            is_new = not set(problem.findings) <= set(known.findings)
            if not is_new or len(state.begun.get(unit, ())) >= ANEW:
                if problem.findings:  # one that is over is news when it comes again
                    known.findings = [one for one in known.findings if one in problem.findings]
                continue
        begun[unit] = state.open[unit] = Open(
            problem.what, problem.since, findings=list(problem.findings)
        )
        state.begun.setdefault(unit, []).append(now)
    for unit in [unit for unit in state.open if unit not in problems and unit not in undecided]:
        one = state.open[unit]
        one.well_since = one.well_since or now
        often = len(state.begun.get(unit, ())) or 1
        if now - one.well_since >= WELL_FOR[min(often, len(WELL_FOR)) - 1]:
            over[unit] = state.open.pop(unit)
    return News(begun, over)
