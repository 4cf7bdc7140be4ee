"""Figures in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from espalier.insight.evidence import Interval


def percent(share: float) -> str:
    """0.384 → "38%"."""
    return f"{share * 100:.0f}%"


def figure(value: float) -> str:
    """Three digits that count: 118, 41.2, 0.52, 8."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """0.0123 → "12 ms", 2.5 → "2.5 s"."""
    return f"{figure(seconds)} s" if seconds >= 1 else f"{figure(seconds * 1000)} ms"


def rate(value: float) -> str:
    """Requests a second and a minute: 41.2 → "41.2 requests/s (2,472 a minute)"."""
    return f"{figure(value)} requests/s ({value * 60:,.0f} a minute)"


def rates(interval: Interval) -> str:
    """Requests a second, with the interval: "41.2 requests/s (38 to 44)"."""
    return f"{figure(interval.value)} requests/s ({between(interval)})"


def between(interval: Interval) -> str:
    """The bounds of an interval: "38 to 44"."""
    return f"{figure(interval.low)} to {figure(interval.high)}"


def cores(value: float) -> str:
    """Processor time: "1 core", "0.52 cores"."""
    return "1 core" if value == 1 else f"{figure(value)} cores"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "web1", "web1, app1 and db1"."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def shown_path(path: str) -> str:
    """A path with its query cut off."""
    return path.split("?", 1)[0] or "/"
