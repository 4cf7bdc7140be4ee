"""Throughput against load: the curve, where it bends, and the law that it follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from espalier.insight.evidence import Evidence, Kind, Part
from espalier.insight.figures import least_squares, mean, ratio
from espalier.insight.recording import Recording
from espalier.insight.views import mean_took
from espalier.insight.window import counts, of_step

LEAST_STEPS = 6  # fewer do not determine three coefficients and tell whether they fit
# A curve that stays straight has no knee to fit: the last points have to lose this much of it.
_BENT = 0.05
_LEAST_FIT = 0.9  # below it the law does not describe the points


@dataclass(frozen=True)
class Point:
    """One rate of a load.

    Attributes:
        offered: requests/s. `achieved`: of those, answered well.
        p50, p95: seconds.
        concurrency: mean requests at a time in the site, by Little's law: rate x mean time.
        passed: whether it is below the knee.
    """

    offered: float
    achieved: float
    p50: float
    p95: float
    concurrency: float
    passed: bool


@dataclass(frozen=True)
class Law:
    """The universal scalability law: X(N) = speed x N / (1 + sigma (N - 1) + kappa N (N - 1)).

    N. J. Gunther, "A General Theory of Computational Scalability Based on Rational Functions",
    arXiv:0808.1431.

    Attributes:
        speed: requests/s at one request at a time.
        sigma: contention: the share of work that waits for something that only one can have.
        kappa: coherency: what each pair at a time costs.
        fit: coefficient of determination of the throughput, 1 at best.
    """

    speed: float
    sigma: float
    kappa: float
    fit: float

    def throughput(self, concurrency: float) -> float:
        """Requests/s with so many requests at a time."""
        more = concurrency - 1
        return self.speed * concurrency / (1 + self.sigma * more + self.kappa * concurrency * more)

    @property
    def best(self) -> float | None:
        """Requests at a time beyond which throughput falls; None where it never does."""
        return math.sqrt((1 - self.sigma) / self.kappa) if self.kappa and self.sigma < 1 else None

    @property
    def most(self) -> float | None:
        """Requests/s that are never passed; None where the law knows no end."""
        if self.best is not None:
            return self.throughput(max(1.0, self.best))
        return self.speed / self.sigma if self.sigma else None


def curve(recording: Recording) -> list[Point]:
    """Return the points of a load by what was offered; none of a recording without one."""
    found = []
    for step in recording.load.steps if recording.load else ():
        if not counts(step):
            continue
        took = mean_took(of_step(step).rows(recording)) or step.p50
        found.append(
            Point(
                offered=step.offered,
                achieved=step.achieved,
                p50=step.p50,
                p95=step.p95,
                concurrency=ratio(step.answered, step.ended - step.began) * took,
                passed=step.passed,
            )
        )
    return sorted(found, key=lambda point: point.offered)


def law(points: Sequence[Point]) -> Law | None:
    """Fit the universal scalability law to the points.

    N / X is linear in N - 1 and N (N - 1): least squares give its coefficients, and where one comes
    out negative, it is 0 and the others are fitted again. Only steps that passed are used: beyond
    the knee a backlog grows for as long as the step lasts, and Little's law does not hold.

    Returns:
        None with fewer than six points that passed, where the curve does not bend, or where the law
        does not describe it.
    """
    usable = [point for point in points if point.passed and point.achieved and point.concurrency]
    if len(usable) < LEAST_STEPS:
        return None
    wanted = [point.concurrency / point.achieved for point in usable]
    if max(wanted) < (1 + _BENT) * min(wanted):
        return None
    for terms in ((True, True), (True, False), (False, True)):
        rows = [_terms(point.concurrency, *terms) for point in usable]
        found = least_squares(rows, wanted)
        if found is None or found[0] <= 0 or any(value < 0 for value in found[1:]):
            continue
        others = iter(found[1:])
        sigma, kappa = ((next(others) if term else 0.0) / found[0] for term in terms)
        made = Law(1 / found[0], sigma, kappa, 0.0)
        fit = _fit(made, usable)
        return Law(made.speed, sigma, kappa, fit) if fit >= _LEAST_FIT else None
    return None


def full_at(evidence: Evidence, multiple: float) -> Part | None:
    """Return the part that is full first at a multiple of the rate of the window.

    Args:
        evidence: of production, or of a load.
        multiple: of `evidence.rate`, such as 2.

    Returns:
        The part with the lowest bound, where the multiple reaches that; None where no part is full.
    """
    wanted = evidence.rate * multiple
    site = evidence.site
    threads = sum(count * site.threads.get(name, 1) for name, count in site.workers.items())
    for part in evidence.parts:
        # Each thread has one connection at most: they do not grow with the rate for ever.
        never = part.kind == Kind.CONNECTIONS and 0 < threads < part.capacity
        if part.bound.value <= wanted and not never:
            return part
    return None


def _terms(concurrency: float, sigma: bool, kappa: bool) -> list[float]:
    more = concurrency - 1
    return [1.0] + [more] * sigma + [concurrency * more] * kappa


def _fit(made: Law, points: Sequence[Point]) -> float:
    usual = mean(point.achieved for point in points)
    spread = sum((point.achieved - usual) ** 2 for point in points)
    missed = sum((point.achieved - made.throughput(point.concurrency)) ** 2 for point in points)
    return 1 - ratio(missed, spread)
