"""The bound of each part: at how many requests per second it is full."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from espalier.insight.evidence import Part
from espalier.insight.report.svg import SIZE, WIDE, Scale, clipped, drawing, length, tag, text
from espalier.insight.report.words import number, spread

MOST = 8  # parts that are drawn: those beyond are far from being a limit
BEYOND = 4.0  # times the lowest bound: what is further away is drawn as a bar without an end
ROW, BAR = 42.0, 12.0
_HEAD = 40.0


def chart_bounds(
    parts: Sequence[Part], rate: float, peak: float | None = None, width: float = WIDE
) -> Markup:
    """A bar for each part up to its bound, with its interval; a line at today's rates.

    Args:
        parts: lowest bound first.
        rate: requests/s, the mean.
        peak: requests/s of the busiest minute, where it is known.
        width: in units of the drawing.
    """
    shown = parts[:MOST]
    lowest = min(part.bound.value for part in shown)
    furthest = max(part.bound.high for part in shown)
    reach = min(furthest, max(BEYOND * lowest, 1.25 * max(rate, peak or 0.0)))
    scale = Scale(0.0, reach, 0.0, width - 8)
    height = _HEAD + ROW * len(shown)
    marks = [("mean now", rate)] + ([("busiest minute", peak)] if peak else [])
    drawn: list[Markup] = []
    for index, part in enumerate(shown):
        drawn += _row(part, scale, _HEAD + ROW * index, width, is_first=index == 0)
    for index, (name, value) in enumerate(marks):
        drawn += _mark(name, value, scale, SIZE + 16 * index, height, width)
    described = "; ".join(f"{part.name}: full at {spread(part.bound)} requests/s" for part in shown)
    title = "At how many requests per second each part is full"
    return drawing(width, height, title, described, *drawn)


def _row(part: Part, scale: Scale, top: float, width: float, is_first: bool) -> list[Markup]:
    """Name and bound in a line, the bar below."""
    bound, y = part.bound, top + 18
    value = spread(bound)
    look = "strong" if is_first else ""
    kind = "limit" if is_first else "hard" if part.is_hard else "soft"
    end = scale(bound.value)
    drawn = [
        text(0, top + 12, clipped(part.name, width - length(value) - 12), look),
        text(width, top + 12, value, f"{look} number".strip(), "end"),
    ]
    if bound.value > scale.high:
        tip = width - 1
        points = f"0,{y:g} {end:g},{y:g} {tip:g},{y + BAR / 2:g} {end:g},{y + BAR:g} 0,{y + BAR:g}"
        return [*drawn, tag("polygon", points=points, class_=f"bar {kind}")]
    drawn.append(tag("rect", x=0, y=y, width=end, height=BAR, class_=f"bar {kind}"))
    low, high, middle = scale(bound.low), scale(bound.high), y + BAR / 2
    path = f"M{low:.1f} {y + 2:g}V{y + BAR - 2:g}M{low:.1f} {middle:g}H{high:.1f}M{high:.1f} {y + 2:g}V{y + BAR - 2:g}"
    return [*drawn, tag("path", d=path, class_="halo"), tag("path", d=path, class_="whisker")]


def _mark(
    name: str, value: float, scale: Scale, y: float, height: float, width: float
) -> list[Markup]:
    """A line over all bars at a rate, and its name above them."""
    x = scale(value)
    look = "now" if name == "mean now" else "peak"
    is_left = x < width / 2
    words = text(
        x + 5 if is_left else x - 5, y, f"{name} {number(value)}", look, "" if is_left else "end"
    )
    line = {"x1": x, "x2": x, "y1": y - 9, "y2": height - 4}
    return [tag("line", class_="halo", **line), tag("line", class_=f"mark {look}", **line), words]
