"""Where the time of a mean request goes: one bar, cut into pieces that are named by letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from espalier.insight.evidence import Split
from espalier.insight.report.svg import WIDE, drawing, tag, text
from espalier.insight.report.words import duration, share

# In the order of a request's way: the field of Split, and what it is for a person.
PIECES = (
    ("nginx", "nginx, and sending to the visitor"),
    ("queue", "queue in front of Django"),
    ("waiting", "Django, ready to run and without a core"),
    ("computing", "Django, computing"),
    ("connecting", "opening connections to the database"),
    ("database", "in the database"),
    ("caching", "in the cache"),
    ("outside", "waiting for services outside of the site"),
    ("unexplained", "not explained"),
)
HEIGHT = 40.0
_GAP = 1.5
_ROOM = 15.0  # for a letter


@dataclass(frozen=True)
class Piece:
    """A piece of the bar: its letter, CSS class, name, seconds, and share of all."""

    letter: str
    look: str
    name: str
    seconds: float
    share: float


def pieces(split: Split, least: float = 0.0005) -> list[Piece]:
    """The pieces of which a mean request consists, in the order of its way.

    Args:
        split: of the measurement.
        least: share below which a piece is left out.
    """
    total = split.total
    found = [(key, name, getattr(split, key)) for key, name in PIECES]
    kept = [one for one in found if total > 0 and one[2] / total >= least]
    return [
        Piece(chr(ord("A") + index), key, name, seconds, seconds / total)
        for index, (key, name, seconds) in enumerate(kept)
    ]


def chart_split(shown: Sequence[Piece], width: float = WIDE) -> Markup:
    """One bar with all pieces; the list with their names is text of the page."""
    drawn: list[Markup] = []
    x = 0.0
    whole = sum(piece.share for piece in shown) or 1.0
    for piece in shown:
        wide = width * piece.share / whole
        gap = _GAP if wide > 2 * _GAP else 0.0
        drawn.append(
            tag(
                "rect",
                x=x,
                y=0,
                width=max(wide - gap, 0.4),
                height=HEIGHT,
                class_=f"piece {piece.look}",
            )
        )
        if wide >= _ROOM:
            look = f"letter on-{piece.look}"
            drawn.append(text(x + (wide - gap) / 2, HEIGHT / 2 + 4.5, piece.letter, look, "middle"))
        x += wide
    described = "; ".join(
        f"{one.letter}: {one.name}, {duration(one.seconds)}, {share(one.share)}" for one in shown
    )
    return drawing(width, HEIGHT, "Where the time of a mean request goes", described, *drawn)


def key(piece: Piece) -> Markup:
    """A small square with the piece's colour and letter, for the list."""
    return tag(
        "svg",
        tag("rect", x=0.5, y=0.5, width=23, height=19, class_=f"piece {piece.look}"),
        text(12, 14.5, piece.letter, f"letter on-{piece.look}", "middle"),
        viewBox="0 0 24 20",
        role="img",
        aria_label=piece.letter,
    )
