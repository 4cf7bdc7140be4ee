"""How certain a bound is: a moving block bootstrap over the seconds of the window.

Seconds that follow each other are alike, so blocks of them are drawn, not single ones: H. R.
Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics
17(3), 1989, 1217-1241.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from espalier.insight.evidence import Interval
from espalier.insight.figures import percentile

BLOCK = 5  # seconds
LEAST_BLOCKS = 6  # of a short window, blocks are shorter: one block would leave nothing to chance
RESAMPLES = 400
SEED = 15
# A part that is used in bursts may be idle in all blocks that were drawn. It then counts as used by
# this share of its mean, so that every bound is a number.
_IDLE = 0.01


@dataclass(frozen=True)
class Used:
    """A part's use: units that it has, units in use in each second, and whether it is hard."""

    capacity: float
    busy: Sequence[float]
    is_hard: bool


@dataclass(frozen=True)
class Bound:
    """Of a part: requests/s at which it is full, and how probably that is the lowest bound.

    `lowest` compares a hard part with the hard ones, and a soft one with all.
    """

    bound: Interval
    lowest: float


def bounds(parts: Sequence[Used], requests: Sequence[float]) -> list[Bound]:
    """Return the bound of each part: capacity x requests / time in use (the utilisation law).

    Args:
        parts: each with a value for each second, and with some use.
        requests: how many were answered in each second; not all 0.

    Returns:
        For each part, in order. The interval holds 95% of the resamples: what differs by chance
        within this window, and nothing of what another day or another neighbour would change. The
        same input gives the same result.
    """
    length = len(requests)
    block = max(1, min(BLOCK, length // LEAST_BLOCKS))
    sums = [_blocks(requests, block)] + [_blocks(part.busy, block) for part in parts]
    random = Random(SEED)
    count = math.ceil(length / block)
    drawn: list[list[float]] = [[] for _ in parts]
    wins = [0] * len(parts)
    least_use = [_IDLE * sum(part.busy) * count * block / length for part in parts]
    hard = [index for index, part in enumerate(parts) if part.is_hard]
    for _ in range(RESAMPLES):
        starts = random.choices(range(length - block + 1), k=count)
        answered = sum(map(sums[0].__getitem__, starts))
        found = [
            part.capacity * answered / max(sum(map(column.__getitem__, starts)), least)
            for part, column, least in zip(parts, sums[1:], least_use, strict=True)
        ]
        for index, value in enumerate(found):
            drawn[index].append(value)
        least_hard = min(hard, key=found.__getitem__, default=-1)
        least = min(range(len(parts)), key=found.__getitem__, default=-1)
        if least_hard >= 0:
            wins[least_hard] += 1
        if least >= 0 and not parts[least].is_hard:
            wins[least] += 1
    total = sum(requests)
    return [
        Bound(_interval(values, part.capacity * total / sum(part.busy)), won / RESAMPLES)
        for part, values, won in zip(parts, drawn, wins, strict=True)
    ]


def _blocks(values: Sequence[float], block: int) -> list[float]:
    """Return the sum of each block of so many seconds, by its first second."""
    sums = [0.0, *accumulate(values)]
    return [sums[i + block] - sums[i] for i in range(len(values) - block + 1)]


def _interval(values: Sequence[float], value: float) -> Interval:
    low, high = percentile(values, 0.025), percentile(values, 0.975)
    return Interval(min(low, value), value, max(high, value))
