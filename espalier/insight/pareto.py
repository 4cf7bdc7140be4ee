"""The fewest views, and the fewest statements, that take most of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espalier.insight.evidence import View
from espalier.insight.recording import Statement

MOST = 0.8  # share of the time that is explained


@dataclass(frozen=True)
class Item:
    """A view or a statement.

    Attributes:
        name: the view's name, or the statement's id.
        title: what a person reads: the view's commonest path, or the statement's text.
        seconds: that all its calls took.
        calls: how many.
        share: of the time of all.
        cumulative: the same, with those before it.
        halved: what throughput becomes, as a factor, when it takes half of its time, as far as this
            time is the limit: 1 / (1 - share / 2) (G. M. Amdahl, "Validity of the Single Processor
            Approach", AFIPS 1967).
    """

    name: str
    title: str
    seconds: float
    calls: int
    share: float
    cumulative: float
    halved: float


def of_views(views: Sequence[View], most: float = MOST) -> list[Item]:
    """Return the fewest views that take `most` of the time of application and database.

    Args:
        views: all of them. Where Django does not tell its times, the time that it had them counts.
        most: share of the time, 0 to 1.
    """
    told = any(view.cpu or view.database for view in views)
    return _fewest(
        [
            (
                view.name,
                view.paths[0] if view.paths else view.name,
                view.cpu + view.database if told else view.app,
                view.requests,
            )
            for view in views
        ],
        most,
    )


def of_statements(statements: Sequence[Statement], most: float = MOST) -> list[Item]:
    """Return the fewest statements that take `most` of the time of all statements."""
    return _fewest([(one.id, one.text, one.seconds, one.calls) for one in statements], most)


def _fewest(found: Sequence[tuple[str, str, float, int]], most: float) -> list[Item]:
    total = sum(seconds for _, _, seconds, _ in found)
    items: list[Item] = []
    taken = 0.0
    for name, title, seconds, calls in sorted(found, key=lambda one: -one[2]):
        # Of equal ones, rounding must not add another.
        if not total or taken >= most * total * (1 - 1e-9):
            break
        taken += seconds
        share = seconds / total
        items.append(
            Item(name, title, seconds, calls, share, taken / total, halved=1 / (1 - share / 2))
        )
    return items
