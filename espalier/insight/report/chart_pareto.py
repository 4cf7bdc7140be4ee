"""Pareto: the few that take most of the time, by share, down to the line at 80%."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from espalier.insight.report.svg import WIDE, Scale, clipped, drawing, length, tag, text
from espalier.insight.report.words import share

FEW = 0.8  # of the time
MOST = 8  # that are drawn
ROW, BAR = 38.0, 8.0


def fewest(shares: Sequence[float], until: float = FEW) -> int:
    """How many of the largest shares it takes to reach a share; all of them where none do.

    Args:
        shares: of 1, largest first.
        until: the share to be reached.
    """
    total = 0.0
    for index, one in enumerate(shares):
        total += one
        if total >= until - 1e-9:
            return index + 1
    return len(shares)


def chart_pareto(what: str, items: Sequence[tuple[str, float]], width: float = WIDE) -> Markup:
    """A bar for each, largest first, and a line below the fewest that make 80%.

    Args:
        what: they are, in the plural: "views".
        items: names and shares of 1, largest first.
        width: in units of the drawing.
    """
    few = fewest([part for _, part in items])
    shown = items[:MOST]
    scale = Scale(0.0, max((part for _, part in shown), default=1.0), 0.0, width)
    drawn: list[Markup] = []
    total, y = 0.0, 0.0
    for index, (name, part) in enumerate(shown):
        total += part
        value = f"{share(part)}, together {share(total)}" if index else share(part)
        look = "strong" if index < few else ""
        room = width - length(value) - 12
        drawn += [
            text(0, y + 12, clipped(name, room), f"{look} name".strip()),
            text(width, y + 12, value, "number", "end"),
            tag(
                "rect",
                x=0,
                y=y + 18,
                width=max(scale(part), 1.0),
                height=BAR,
                class_="bar hard" if index < few else "bar rest",
            ),
        ]
        y += ROW
        if index + 1 == few and few < len(items):
            drawn.append(tag("line", x1=0, x2=width, y1=y - 2, y2=y - 2, class_="mark peak"))
            words = f"{few} of {len(items)} {what} take {share(total)}"
            drawn.append(text(width, y + 13, words, "peak", "end"))
            y += 24
    if more := items[MOST:]:
        rest = sum(part for _, part in more)
        words = f"{len(more)} more take {share(rest)}, and {few} of {len(items)} take {share(FEW)}"
        drawn.append(text(0, y + 12, words if few > MOST else words.partition(",")[0], "tick"))
        y += 18
    described = "; ".join(f"{name}: {share(part)}" for name, part in shown)
    return drawing(width, y, f"Which {what} take the time", described, *drawn)
