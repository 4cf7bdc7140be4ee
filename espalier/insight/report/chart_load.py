"""Throughput and response time against the load that was offered, with the knee."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from espalier.insight.recording import Step
from espalier.insight.report.svg import SIZE, WIDE, Scale, drawing, length, place, tag, text, ticks
from espalier.insight.report.words import duration, number

PANEL = 120.0
_LEFT, _RIGHT, _TITLE, _AXIS = 44.0, 12.0, 26.0, 24.0


def chart_load(steps: Sequence[Step], knee: float | None, width: float = WIDE) -> Markup:
    """Two panels above one another on the same axis: what was answered, and its p95.

    Args:
        steps: those that count, by what was offered.
        knee: the last rate that passed, requests/s.
        width: in units of the drawing.
    """
    steps = sorted(steps, key=lambda step: step.offered)
    offered = ticks(max(step.offered for step in steps), 5 if width > 400 else 4)
    across = Scale(0.0, offered[-1], _LEFT, width - _RIGHT)
    second = _TITLE + PANEL + 2 * SIZE + _TITLE
    bottom = second + PANEL
    drawn = [
        *_panel(
            "Answered well, requests/s", steps, lambda step: step.achieved, across, _TITLE, _plain
        ),
        *_panel("Response time, p95", steps, lambda step: step.p95, across, second, _seconds),
    ]
    ideal = Scale(0.0, ticks(max(step.achieved for step in steps), 3)[-1], _TITLE + PANEL, _TITLE)
    reach = min(across.high, ideal.high)
    drawn.append(
        tag(
            "line",
            x1=across(0),
            y1=ideal(0),
            x2=across(reach),
            y2=ideal(reach),
            class_="ideal",
        )
    )
    for value in offered:
        drawn.append(text(across(value), bottom + 16, number(value), "tick", "middle"))
    drawn.append(text(width - _RIGHT, bottom + 34, "offered, requests/s", "tick", "end"))
    if knee is not None:
        drawn += _knee(knee, across)
    described = "; ".join(
        f"offered {number(step.offered)}/s: answered {number(step.achieved)}/s, "
        f"p95 {duration(step.p95)}{'' if step.passed else ', not passed'}"
        for step in steps
    )
    title = "Throughput and response time against the load that was offered"
    return drawing(width, bottom + _AXIS + 16, title, described, *drawn)


def _panel(
    title: str,
    steps: Sequence[Step],
    of: Callable[[Step], float],
    across: Scale,
    top: float,
    words: Callable[[float, float], str],
) -> list[Markup]:
    """A panel with its own axis upwards; steps that did not pass are hollow."""
    values = ticks(max(of(step) for step in steps), 3)
    up = Scale(0.0, values[-1], top + PANEL, top)
    drawn = [text(0, top - 12, title, "strong")]
    for value in values:
        y = up(value)
        drawn.append(tag("line", x1=_LEFT, x2=across.end, y1=y, y2=y, class_="grid"))
        drawn.append(text(_LEFT - 6, y + 4, words(value, values[-1]), "tick", "end"))
    points = [(across(step.offered), up(of(step))) for step in steps]
    line = " ".join(f"{place(x)},{place(y)}" for x, y in points)
    drawn.append(tag("polyline", points=line, class_="line"))
    for (x, y), step in zip(points, steps, strict=True):
        look = "dot" if step.passed else "dot hollow"
        drawn.append(tag("circle", cx=x, cy=y, r=4 if step.passed else 4.5, class_=look))
    return drawn


def _knee(knee: float, across: Scale) -> list[Markup]:
    """A line through both panels at the knee."""
    x = across(knee)
    second = _TITLE + PANEL + 2 * SIZE + _TITLE
    drawn = [
        tag("line", x1=x, x2=x, y1=top, y2=top + PANEL, class_="mark peak")
        for top in (_TITLE, second)
    ]
    words = f"knee {number(knee)}/s"
    # Before the knee answers are quick, so that the upper left of the lower panel is empty.
    is_left = x - length(words) - 8 < _LEFT
    start = x + (6 if is_left else -6)
    return [*drawn, text(start, second + 14, words, "over peak", "" if is_left else "end")]


def _plain(value: float, _highest: float) -> str:
    return number(value)


def _seconds(value: float, highest: float) -> str:
    """A time on an axis, all of which has one unit."""
    return f"{value:g} s" if highest >= 1 else f"{value * 1000:g} ms"
