"""When requests are due: an open loop, which does not wait for the answer to the one before."""

from __future__ import annotations

import random
from math import floor

BLOCK = 5.0  # seconds


def arrivals(rate: float, seconds: float, dice: random.Random) -> list[float]:
    """Draw the moments at which requests are due.

    They are a Poisson process whose count is fixed for each block of five seconds: requests come
    as irregularly as those of people do, but two loads of one rate send equally many. (A Poisson
    process of which the count is known has its events at independent, uniform moments.)

    Args:
        rate: requests per second.
        seconds: for how long.
        dice: seeded: the same seed gives the same moments.

    Returns:
        Seconds since the beginning, ascending.
    """
    phase = dice.random()  # where several senders share a rate, they do not round alike
    due: list[float] = []
    begin = 0.0
    while begin < seconds:
        end = min(begin + BLOCK, seconds)
        count = floor(rate * end + phase) - floor(rate * begin + phase)
        due += sorted(dice.uniform(begin, end) for _ in range(count))
        begin = end
    return due
