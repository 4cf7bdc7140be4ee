"""What a change costs, and which of two is the cheaper one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from espalier.insight.advice import Change
from espalier.insight.evidence import Interval
from espalier.insight.recording import SiteFacts

A_MINUTE = 60.0
THOUSAND = 1000.0


def machine_price(site: SiteFacts, like: str) -> float | None:
    """A month of a machine like another one: its own price, else the median of those known."""
    if like in site.prices:
        return site.prices[like]
    return median(site.prices.values()) if site.prices else None


def today(change: Change) -> float | None:
    """Requests/s that the site answers at most before a change; None where no number is given.

    Of production that is more than what visitors ask for today.
    """
    if change.after is None or change.gain is None or not change.gain.value:
        return None
    return change.after.value / change.gain.value


def priced(change: Change, cost: float | None) -> Change:
    """A change with what it costs a month, and for 1,000 requests a minute more.

    Args:
        cost: a month; 0 where nothing is bought, None where no price is known.
    """
    each, before = None, today(change)
    if cost is not None and change.after is not None and before is not None:
        further = (change.after.value - before) * A_MINUTE / THOUSAND
        each = round(cost / further, 2) if further > 0 else None
    return replace(change, cost=cost, per_thousand=each)


def comparable(one: Interval | None, other: Interval | None) -> bool:
    """Whether two gains lie within each other's interval."""
    if one is None or other is None:
        return False
    return one.low <= other.value <= one.high or other.low <= one.value <= other.high


def best_first(changes: Sequence[Change]) -> list[Change]:
    """Changes by gain; of two whose gains are comparable, the cheaper one goes before.

    Comparable is not transitive, so the best gain leads: what is comparable with it is ordered by
    cost, then the same with the rest. A change without a gain or without a known cost keeps its
    place behind those that have one.
    """
    rest = sorted(changes, key=lambda one: -(one.gain.value if one.gain else 0.0))
    result: list[Change] = []
    while rest:
        best = rest[0]
        group = [one for one in rest if one is best or comparable(one.gain, best.gain)]
        if all(one.cost is not None for one in group):
            group.sort(key=lambda one: one.cost or 0.0)
        result += group
        rest = [one for one in rest if one not in group]
    return result
