"""Small statistics that several modules need: means, percentiles, least squares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def mean(values: Iterable[float]) -> float:
    """Return the arithmetic mean; 0 of nothing."""
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def mean_or_none(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is told; None where nothing is."""
    told = [value for value in values if value is not None]
    return mean(told) if told else None


def ratio(part: float, whole: float) -> float:
    """Return part / whole; 0 where the whole is nothing."""
    return part / whole if whole else 0.0


def percentile(values: Iterable[float], share: float) -> float:
    """Return the nearest-rank percentile: the least value that `share` of all do not exceed.

    Args:
        values: in any order.
        share: 0 to 1, such as 0.95.
    """
    found = sorted(values)
    if not found:
        return 0.0
    return found[max(0, math.ceil(share * len(found)) - 1)]


def least_squares(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float] | None:
    """Return the coefficients of a linear model with the least sum of squared errors.

    Solves the normal equations by Gaussian elimination, for a handful of coefficients.

    Args:
        rows: the terms of each observation, all of one length.
        wanted: the observed value of each.

    Returns:
        A coefficient for each term; None where the observations do not determine them.
    """
    if not rows:
        return None
    size = len(rows[0])
    table = [
        [sum(row[i] * row[j] for row in rows) for j in range(size)]
        + [sum(row[i] * value for row, value in zip(rows, wanted, strict=True))]
        for i in range(size)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(table[i][column]))
        if abs(table[pivot][column]) < 1e-12:
            return None
        table[column], table[pivot] = table[pivot], table[column]
        for i in range(size):
            if i != column:
                factor = table[i][column] / table[column][column]
                table[i] = [a - factor * b for a, b in zip(table[i], table[column], strict=True)]
    return [table[i][size] / table[i][i] for i in range(size)]
