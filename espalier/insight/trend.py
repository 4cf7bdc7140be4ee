"""Over days of production: how the daily peak grows, and when it reaches the lowest bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from espalier.insight.figures import least_squares
from espalier.insight.recording import Recording
from espalier.insight.window import sampled

LEAST_DAYS = 3
PEAK = 60  # seconds that a peak lasts
_FARTHEST = 3650  # days; what is later than that is not worth a date


@dataclass(frozen=True)
class Trend:
    """A straight line through the daily peaks.

    Attributes:
        peaks: day -> requests/s of its fullest minute.
        per_day: requests/s that come to it each day.
        reached: the day on which the line reaches the lowest bound; None where it does not grow, or
            not within ten years.
    """

    peaks: dict[date, float]
    per_day: float
    reached: date | None


def peak(recording: Recording) -> float:
    """Return the requests/s of its fullest minute; of all of it where it is shorter."""
    window = sampled(recording)
    counts = [0.0] * window.seconds
    for row in window.rows(recording):
        second = window.second(row.request.t)
        if row.is_page and second is not None:
            counts[second] += row.weight
    length = min(PEAK, window.seconds)
    current = best = sum(counts[:length])
    for end in range(length, window.seconds):
        current += counts[end] - counts[end - length]
        best = max(best, current)
    return best / length


def trend(recordings: Sequence[Recording], bound: float) -> Trend | None:
    """Return how production grows, by least squares.

    Args:
        recordings: of production, of one site; loads among them are left out.
        bound: requests/s of the part that is full first.

    Returns:
        None with fewer than three days.
    """
    peaks: dict[date, float] = {}
    for one in recordings:
        if one.purpose == "measure":
            day = datetime.fromisoformat(one.made).date()
            peaks[day] = max(peaks.get(day, 0.0), peak(one))
    if len(peaks) < LEAST_DAYS:
        return None
    peaks = dict(sorted(peaks.items()))
    first, last = min(peaks), max(peaks)
    rows = [[1.0, float((day - first).days)] for day in peaks]
    found = least_squares(rows, list(peaks.values()))
    if found is None:
        return None
    start, per_day = found
    return Trend(peaks, per_day, _reached(first, last, start, per_day, bound))


def _reached(first: date, last: date, start: float, per_day: float, bound: float) -> date | None:
    if per_day <= 1e-9:
        return None
    days = (bound - start) / per_day
    if days > _FARTHEST:
        return None
    return max(last, first + timedelta(days=math.ceil(days)))
