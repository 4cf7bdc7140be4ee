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
    parts: Sequence[Part], marks: Sequence[tuple[str, float]], width: float = WIDE
) -> Markup:
    """A bar for each part up to its bound, with its interval; lines at rates of today.

    Args:
        parts: lowest bound first.
        marks: names of rates, and requests/s; the line of the first is drawn through.
        width: in units of the drawing.
    """
    shown = parts[:MOST]
    lowest = min(part.bound.value for part in shown)
    furthest = max(part.bound.high for part in shown)
    reach = min(furthest, max(BEYOND * lowest, *(1.25 * rate for _, rate in marks)))
    scale = Scale(0.0, reach, 0.0, width - 8)
    height = _HEAD + ROW * len(shown)
    tops = [_HEAD + ROW * index for index in range(len(shown))]
    drawn: list[Markup] = []
    for part, top in zip(shown, tops, strict=True):
        drawn += _bar(part, scale, top, width, is_first=part is shown[0])
    for index, (name, value) in enumerate(marks):
        drawn += _mark(name, value, scale, SIZE + 16 * index, height, width, is_main=index == 0)
    for part, top in zip(shown, tops, strict=True):
        drawn += _label(part, top, width, is_first=part is shown[0])
    described = "; ".join(f"{part.name}: full at {spread(part.bound)} requests/s" for part in shown)
    title = "At how many requests per second each part is full"
    return drawing(width, height, title, described, *drawn)


def _label(part: Part, top: float, width: float, is_first: bool) -> list[Markup]:
    """Name and bound in a line above the bar; over the lines of rates."""
    value = spread(part.bound)
    look = "over strong" if is_first else "over"
    return [
        text(0, top + 12, clipped(part.name, width - length(value) - 12), look),
        text(width, top + 12, value, f"{look} number", "end"),
    ]


def _bar(part: Part, scale: Scale, top: float, width: float, is_first: bool) -> list[Markup]:
    """The bar, and its interval; one that is too long for the drawing is pointed."""
    bound, y = part.bound, top + 18
    kind = "limit" if is_first else "hard" if part.is_hard else "soft"
    end = scale(bound.value)
    if bound.value > scale.high:
        tip = width - 1
        points = f"0,{y:g} {end:g},{y:g} {tip:g},{y + BAR / 2:g} {end:g},{y + BAR:g} 0,{y + BAR:g}"
        return [tag("polygon", points=points, class_=f"bar {kind}")]
    bar = tag("rect", x=0, y=y, width=end, height=BAR, class_=f"bar {kind}")
    low, high, middle = scale(bound.low), scale(bound.high), y + BAR / 2
    ends = f"{y + 2:g}V{y + BAR - 2:g}"
    path = f"M{low:.1f} {ends}M{low:.1f} {middle:g}H{high:.1f}M{high:.1f} {ends}"
    return [bar, tag("path", d=path, class_="halo"), tag("path", d=path, class_="whisker")]


def _mark(
    name: str,
    value: float,
    scale: Scale,
    y: float,
    height: float,
    width: float,
    is_main: bool,
) -> list[Markup]:
    """A line over all bars at a rate, and its name above them."""
    x = scale(value)
    look = "main" if is_main else "peak"
    is_left = x < width / 2
    words = text(
        x + 5 if is_left else x - 5, y, f"{name} {number(value)}", look, "" if is_left else "end"
    )
    line = {"x1": x, "x2": x, "y1": y - 9, "y2": height - 4}
    return [tag("line", class_="halo", **line), tag("line", class_=f"mark {look}", **line), words]
