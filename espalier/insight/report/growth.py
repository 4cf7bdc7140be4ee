"""When traffic grows: at which multiple of today's each part is full."""

from __future__ import annotations

from espalier.insight.evidence import Evidence
from espalier.insight.report.words import number, rate

FURTHEST = 20.0  # times today's traffic: nobody plans for more
MOST = 4


def growth(evidence: Evidence) -> list[str]:
    """Sentences of which part is full at which multiple; none of a load, which is its own answer.

    A load says what the site stands, and not what comes to it.
    """
    if evidence.load is not None or evidence.rate <= 0:
        return []
    found = []
    for part in evidence.parts[:MOST]:
        multiple = part.bound.value / evidence.rate
        if multiple > FURTHEST:
            break
        is_full = multiple <= 1
        when = "With today's traffic" if is_full else f"At {number(multiple)} times today's traffic"
        found.append(f"{when}, {rate(part.bound.value)}, this is full: {part.name}.")
    if not found and evidence.parts:
        found.append(f"No part is full at {number(FURTHEST)} times today's traffic.")
    return found
