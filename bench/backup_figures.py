"""Figures of bench/backups.py, computed from what was seen."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence


def rate(output: str) -> float:
    """Return the transactions per second that pgbench says.

    Raises:
        ValueError: it says none, or that some failed.
    """
    failed = re.search(r"number of failed transactions: (\d+)", output)
    found = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
    if not found or not failed or int(failed[1]):
        raise ValueError(f"pgbench counted nothing, or failures: {output[-500:]}")
    return float(found[1])


def ratios(pairs: Sequence[tuple[float, float]]) -> str:
    """Return the median of the second side over the first, and the range of all pairs."""
    found = sorted(second / first for first, second in pairs)
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def window(
    rows: Sequence[tuple[float, int]], arrivals: Sequence[tuple[float, int]], step: float = 0.5
) -> list[float]:
    """Return how many seconds of rows would be lost, at moments all over the time of the rows.

    That is the age of the oldest row that was acknowledged and is not at the destination.

    Args:
        rows: when each was acknowledged, and the position in the WAL where it ends.
        arrivals: when each segment came to the destination, and the position where it ends.
        step: seconds between two moments. Those before the first arrival are left out.
    """
    if not rows or not arrivals:
        return []
    found = []
    moment, last = min(when for when, _ in arrivals), rows[-1][0]
    while moment <= last:
        there = max(end for when, end in arrivals if when <= moment)
        lost = [when for when, position in rows if when <= moment and position > there]
        found.append(moment - min(lost, default=moment))
        moment += step
    return found


def closed(visits: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Return when a site began to answer badly, and the first good answer after the last bad one.

    Args:
        visits: when each was begun, and whether its answer was good, in their order.

    Raises:
        ValueError: it never answered badly, or not well at the end.
    """
    bad = [number for number, (_, good) in enumerate(visits) if not good]
    if not bad or bad[-1] + 1 == len(visits):
        raise ValueError("the site was never closed, or does not answer at the end")
    return visits[bad[0]][0], visits[bad[-1] + 1][0]
