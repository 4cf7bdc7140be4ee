"""The utilisation of one machine over time, small, to be laid beside those of others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from espalier.insight.report.svg import NARROW, Scale, clipped, drawing, length, place, tag, text
from espalier.insight.report.words import share

HEIGHT = 44.0
POINTS = 120  # at most: a reading for each does not fit, and none is lost, as the highest is kept
_HEAD = 20.0


def thinned(values: Sequence[float], most: int = POINTS) -> list[float]:
    """At most so many values, each the highest of those that it stands for."""
    if len(values) <= most:
        return list(values)
    edges = [round(len(values) * index / most) for index in range(most + 1)]
    return [max(values[begin:end]) for begin, end in pairwise(edges)]


def chart_utilisation(
    name: str, values: Sequence[float], note: str = "", width: float = NARROW
) -> Markup:
    """An area from 0 to 100% of the machine's cores, with its mean and its highest.

    Args:
        name: of the machine.
        values: shares of 1, one each second.
        note: what the machine is: "2 cores".
        width: in units of the drawing.
    """
    mean = sum(values) / len(values) if values else 0.0
    highest = max(values, default=0.0)
    said = f"mean {share(mean)}, highest {share(highest)}"
    top, bottom = _HEAD, _HEAD + HEIGHT
    across = Scale(0.0, max(len(thinned(values)) - 1, 1), 0.0, width)
    up = Scale(0.0, 1.0, bottom, top)
    points = " ".join(
        f"{place(across(index))},{place(up(value))}" for index, value in enumerate(thinned(values))
    )
    drawn = [
        text(0, 12, clipped(name, width - length(said) - 12), "strong"),
        text(width, 12, said, "number", "end"),
        tag("line", x1=0, x2=width, y1=top, y2=top, class_="grid"),
        tag("line", x1=0, x2=width, y1=bottom, y2=bottom, class_="axis"),
    ]
    if points:
        around = f"0,{place(bottom)} {points} {place(width)},{place(bottom)}"
        drawn.append(tag("polygon", points=around, class_="area"))
        drawn.append(tag("polyline", points=points, class_="line thin"))
    described = f"{note}: {said}" if note else said
    title = f"Utilisation of {name} over time"
    return drawing(width, bottom + 2, title, described, *drawn, look="small")
