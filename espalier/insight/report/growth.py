"""When traffic grows: which part is full at which multiple of today's, and when that is."""

from __future__ import annotations

from dataclasses import replace

from espalier.insight.evidence import Evidence
from espalier.insight.report.given import Given
from espalier.insight.report.words import day, number, rate, share
from espalier.insight.scalability import Law, curve, full_at, law
from espalier.insight.trend import Trend

FURTHEST = 20.0  # times today's traffic: nobody plans for more
MOST = 4


def growth(given: Given) -> list[str]:
    """Sentences on where the site bends.

    A load says what the site stands, and not what comes to it: of one, the law that its curve
    follows is told, and no multiple of today's traffic.
    """
    if given.evidence.load is not None:
        found = law(curve(given.recording))
        return [_law(found)] if found else []
    return _multiples(given.evidence) + (_trend(given.trend) if given.trend else [])


def _multiples(evidence: Evidence) -> list[str]:
    if evidence.rate <= 0 or not evidence.parts:
        return []
    found: list[str] = []
    while len(found) < MOST and (part := full_at(evidence, FURTHEST)):
        multiple = part.bound.value / evidence.rate
        is_full = multiple <= 1
        when = "With today's traffic" if is_full else f"At {number(multiple)} times today's traffic"
        found.append(f"{when}, {rate(part.bound.value)}, this is full: {part.name}.")
        # What would be full next, were it not for that part.
        others = [one for one in evidence.parts if one is not part]
        evidence = replace(evidence, parts=others)
    return found or [f"No part is full at {number(FURTHEST)} times today's traffic."]


def _trend(trend: Trend) -> list[str]:
    days = len(trend.peaks)
    if trend.per_day <= 0:
        return [f"Over {days} days of measurements the busiest minute does not grow."]
    told = f"Over {days} days the busiest minute grows by {rate(trend.per_day)} a day"
    if trend.reached is None:
        return [f"{told}: at this trend nothing is full within ten years."]
    return [f"{told}: at this trend the first part is full on {day(trend.reached)}."]


def _law(found: Law) -> str:
    told = f"{share(found.sigma)} of the work waits for what only one request at a time can have"
    if found.kappa:
        told += ", and requests wait for one another in pairs"
    end = f": by the curve alone, the end is at {rate(found.most)}" if found.most else ""
    return f"By the universal scalability law, {told}{end}."
