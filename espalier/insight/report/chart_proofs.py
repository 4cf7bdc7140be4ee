"""What changes have brought: values before and after, and the ledger of predictions."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from espalier.insight.report.past import Proof
from espalier.insight.report.svg import (
    NARROW,
    WIDE,
    Scale,
    clipped,
    drawing,
    length,
    tag,
    text,
    ticks,
)
from espalier.insight.report.words import TIMES, times

BAR = 12.0
LEDGER_ROW = 42.0
_AXIS = 22.0


def chart_before_after(proofs: Sequence[Proof], width: float = WIDE) -> Markup:
    """Two bars for each change, by the larger of them: before it, pale, and after it, full."""
    room = length("before 1,000 requests/s") + 8
    is_wide = width > NARROW
    anchor = "end" if is_wide else ""
    head = 19.0 if is_wide else 35.0
    row = head + 2 * (BAR + 4) + 12
    drawn: list[Markup] = []
    for index, proof in enumerate(proofs):
        top = row * index
        value = f"{proof.outcome}, {proof.gain}"
        # What two changes brought was measured at different loads, or is of different units.
        scale = Scale(0.0, max(proof.before, proof.after), 0.0, width - room)
        taken = length(value) + 12 if is_wide else 0
        drawn += [
            text(0, top + 12, clipped(proof.change, width - taken), "strong"),
            text(width if is_wide else 0, top + head - 7, value, "number", anchor),
        ]
        for line, (word, measured) in enumerate((("before", proof.before), ("after", proof.after))):
            y = top + head + (BAR + 4) * line
            look = "bar rest" if word == "before" else "bar hard"
            end = scale(measured)
            drawn.append(tag("rect", x=0, y=y, width=max(end, 1.0), height=BAR, class_=look))
            drawn.append(text(end + 6, y + 10.5, f"{word} {proof.shown(measured)}", "number"))
    described = "; ".join(
        f"{one.change}: {one.shown(one.before)} before, {one.shown(one.after)} after, {one.outcome}"
        for one in proofs
    )
    return drawing(width, row * len(proofs), "Before and after each change", described, *drawn)


def chart_ledger(proofs: Sequence[Proof], width: float = WIDE) -> Markup:
    """For each change, the gain that was predicted as a band, and the one measured as a dot.

    Args:
        proofs: those with a prediction; the newest first.
        width: in units of the drawing.
    """
    kept = [(proof, proof.predicted) for proof in proofs if proof.predicted]
    most = max(max(proof.measured.high, predicted.high) for proof, predicted in kept)
    values = ticks(max(most, 1.2), 4)
    scale = Scale(0.0, values[-1], 8.0, width - 14)
    bottom = LEDGER_ROW * len(kept) + 2
    drawn: list[Markup] = []
    for gain in values:
        x = scale(gain)
        look = "axis" if gain == 1 else "grid"
        drawn.append(tag("line", x1=x, x2=x, y1=0, y2=bottom, class_=look))
        drawn.append(text(x, bottom + 15, f"{TIMES}{gain:g}", "tick", "middle"))
    for index, (proof, predicted) in enumerate(kept):
        top, middle = LEDGER_ROW * index, LEDGER_ROW * index + 27
        value = proof.gain
        name = clipped(proof.change, width - length(value) - 12)
        low, high = scale(predicted.low), scale(predicted.high)
        began, ended = scale(proof.measured.low), scale(proof.measured.high)
        whisker = f"M{began:.1f} {middle:g}H{ended:.1f}"
        drawn += [
            text(0, top + 14, name, "over"),
            text(width, top + 14, value, "over number", "end"),
            tag("rect", x=low, y=top + 20, width=max(high - low, 2.0), height=14, class_="band"),
            tag("path", d=whisker, class_="whisker"),
            tag("circle", cx=scale(proof.measured.value), cy=middle, r=4, class_="dot"),
        ]
    described = "; ".join(
        f"{proof.change}: predicted {times(predicted)}, measured {proof.gain}"
        for proof, predicted in kept
    )
    title = "Gains as predicted, and as measured"
    return drawing(width, bottom + _AXIS, title, described, *drawn)
