"""Numbers and times as a person reads them."""

from __future__ import annotations

import datetime

from espalier.insight.evidence import Interval

DASH, TIMES = "\u2013", "\u00d7"  # as they are set in print


def number(value: float) -> str:
    """`0.42`, `4.2`, `42`, `4,200`: two digits that count, and no more decimals than help."""
    size = abs(value)
    if size >= 9.95 or size == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 0.995 else f"{value:.2g}"


def rate(requests: float) -> str:
    """Requests per second: `41 requests/s`."""
    return f"{number(requests)} requests/s"


def spread(interval: Interval) -> str:
    """An interval, its bounds in brackets: `41 (38-44)`."""
    return f"{number(interval.value)} ({bounds(interval)})"


def bounds(interval: Interval) -> str:
    """The bounds of an interval alone: `38-44`."""
    return f"{number(interval.low)}{DASH}{number(interval.high)}"


def times(gain: Interval) -> str:
    """A gain, a factor, as `1.85 (1.66-2.00)` with the sign of multiplication."""
    low, value, high = (f"{one:.2f}" if one < 9.95 else f"{one:.0f}" for one in _three(gain))
    return f"{TIMES}{value} ({low}{DASH}{high})"


def _three(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.value, interval.high


def share(part: float) -> str:
    """A share of 1: `38%`; `0.4%` below one per cent."""
    percent = part * 100
    return f"{percent:.0f}%" if percent >= 0.95 or percent <= 0 else f"{percent:.1g}%"


def availability(errors: float) -> str:
    """What is left of 1 by a share of errors, never rounded up to 100%: `99.97%`."""
    if errors <= 0:
        return "100%"
    percent = min((1 - errors) * 100, 99.99)
    return f"{percent:.2f}%" if percent >= 99 else f"{percent:.1f}%"


def duration(seconds: float) -> str:
    """A time that a visitor waits: `120 ms`, `1.4 s`."""
    if seconds >= 0.995:
        return f"{number(seconds)} s"
    return f"{number(seconds * 1000)} ms" if seconds >= 0.00005 else "0 ms"


def span(seconds: float) -> str:
    """How long something went on: `45 seconds`, `10 minutes`, `3 hours`."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    whole = round(seconds)
    return f"{whole} second{'' if whole == 1 else 's'}"


def moment(seconds: float) -> str:
    """A moment of the Unix clock, in UTC: `1 December 2026, 04:15 UTC`."""
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{day(at)}, {at:%H:%M} UTC"


def day(date: datetime.date) -> str:
    """A day: `1 December 2026`."""
    return f"{date.day} {date:%B %Y}"


def money(amount: float, currency: str) -> str:
    """An amount: `6.40 EUR`, `0.05 EUR`; small ones with the digits that they need."""
    text = f"{amount:,.2f}" if amount == 0 or abs(amount) >= 0.01 else f"{amount:.1g}"
    return f"{text} {currency}".strip()
