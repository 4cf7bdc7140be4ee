"""Building SVG: elements with escaped content, a drawing that is read aloud, and scales.

Colours come from classes, which page.css has: a drawing has no colour of its own, so that it
follows the page into the dark and onto paper. Text is SIZE units high, and a drawing for a phone
is NARROW units wide: on a screen of 360 pixels its text is not below 11 of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape

from espalier.pages import clean

NARROW, WIDE = 328.0, 680.0
SIZE = 12.0
# Of a mean letter, by the size of the text: what fits is not cut, as letters differ.
_LETTER = 0.6


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """An element. Text in it is escaped, unless it is Markup.

    Args:
        name: of the element.
        children: elements, or text.
        attributes: `_` stands for `-`, and a last one for nothing (`class_`). Numbers are written
            with one decimal; what is None or "" is left out.
    """
    written = Markup("")
    for key, value in attributes.items():
        if value is None or value == "":
            continue
        shown = place(value) if isinstance(value, float | int) else clean(str(value))
        written += Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), shown)
    parts = (one if isinstance(one, Markup) else escape(clean(one)) for one in children)
    inside = Markup("").join(parts)
    if not inside:
        return Markup("<{}{}/>").format(Markup(name), written)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inside)


def place(value: float) -> str:
    """A coordinate: `12`, `12.5`."""
    return f"{value:.1f}".removesuffix(".0")


def drawing(
    width: float, height: float, title: str, described: str, *children: str, look: str = ""
) -> Markup:
    """A drawing, with a name and a description for who does not see it.

    `look` is its class: without one, "narrow" or "wide" by its width.
    """
    return tag(
        "svg",
        tag("title", title),
        tag("desc", described),
        *children,
        viewBox=f"0 0 {place(width)} {place(height)}",
        role="img",
        aria_label=title,
        class_=look or ("wide" if width > NARROW else "narrow"),
    )


def text(
    x: float, y: float, words: str, look: str = "", anchor: str = "", size: float = SIZE
) -> Markup:
    """A line of text; `anchor` is "middle" or "end" where x is not its beginning."""
    own = size if size != SIZE else None
    return tag("text", words, x=x, y=y, class_=look, text_anchor=anchor, font_size=own)


def clipped(words: str, room: float, size: float = SIZE) -> str:
    """A text that is cut, with an ellipsis, where it is longer than some units."""
    words = " ".join(words.split())
    letters = max(int(room / (size * _LETTER)), 2)
    return words if len(words) <= letters else f"{words[: letters - 1].rstrip()}…"


def length(words: str, size: float = SIZE) -> float:
    """About how wide a text is."""
    return len(words) * size * _LETTER


@dataclass(frozen=True)
class Scale:
    """Where a value is drawn: `low` at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value; one beyond an end is at that end."""
        reach = self.high - self.low
        part = (value - self.low) / reach if reach > 0 else 0.0
        return self.start + (self.end - self.start) * min(max(part, 0.0), 1.0)


def ticks(high: float, most: int = 4) -> list[float]:
    """Round values from 0 up to the first that is not below `high`; about `most` steps."""
    if high <= 0 or not math.isfinite(high):
        return [0.0, 1.0]
    rough = high / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * of for of in (1, 2, 2.5, 5, 10) if unit * of >= rough * 0.999)
    return [step * count for count in range(math.ceil(high / step - 1e-9) + 1)]
