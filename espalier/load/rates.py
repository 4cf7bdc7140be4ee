"""Which rate comes next: the steps of a load, upwards until the site no longer keeps up."""

from __future__ import annotations

from dataclasses import dataclass, field

from espalier.insight.recording import Step
from espalier.inventory.site import SiteError
from espalier.load.judging import is_severe

LOWEST = 0.5  # requests/s: below, a step has too few requests to tell


@dataclass(frozen=True)
class Plan:
    """How a load proceeds.

    Attributes:
        start: the first rate, in requests per second.
        factor: each rate against the one before.
        seconds: of a step; of these, `warm_up` at its beginning do not count.
        most_steps, most_requests, most_seconds: bounds of the whole load.
        last: no higher rate than this; None: until the site no longer keeps up.
        only_rate: one step of this rate, and no others.
        search: double the rate until a step fails, then go up by `factor` from the last that
            passed: fewer steps to the same end.
        careful: end as soon as visitors of production could notice.
        seed: the same seed sends the same requests at the same moments.
    """

    start: float = 2.0
    factor: float = 1.25
    seconds: float = 60.0
    warm_up: float = 15.0
    most_steps: int = 30
    most_requests: int = 200_000
    most_seconds: float = 1800.0
    last: float | None = None
    only_rate: float | None = None
    search: bool = False
    careful: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be, with SiteError."""
        if not 0 <= self.warm_up < self.seconds:
            raise SiteError(
                f"A step of {self.seconds:g} s cannot warm up for {self.warm_up:g} s: let it be "
                "longer than its warming up.",
                2,
            )
        rates = [self.start, self.last or self.start, self.only_rate or self.start]
        if not all(0 < rate <= 100_000 for rate in rates) or self.factor <= 1:
            raise SiteError(
                "A load has rates above 0 requests/s, and each step is more than the one before.", 2
            )
        if self.last is not None and self.last < self.start:
            raise SiteError(
                f"The steps end at {self.last:g} requests/s, before they begin ({self.start:g}): "
                "write the lower rate first.",
                2,
            )

    @property
    def highest(self) -> float:
        """The highest rate that it may send, for `safety.permit`; infinite without a bound."""
        return self.only_rate or self.last or float("inf")


@dataclass
class Rates:
    """The rates of a plan, one after the other, each from what the ones before showed."""

    plan: Plan
    steps: list[Step] = field(default_factory=list)
    ended: str = ""

    def add(self, step: Step) -> None:
        """Take in how the last rate went."""
        self.steps.append(step)

    @property
    def lowest(self) -> Step | None:
        """The step of the lowest rate that passed: how quick the site is without a queue."""
        return min(
            (step for step in self.steps if step.passed), key=lambda s: s.offered, default=None
        )

    @property
    def best(self) -> Step | None:
        """The step of the highest rate that passed."""
        passed = (step for step in self.steps if step.passed)
        return max(passed, key=lambda step: step.offered, default=None)

    def following(self) -> float | None:
        """Give the next rate; None at the end, and `ended` then says why."""
        plan = self.plan
        if plan.only_rate is not None:
            return self._end("The time is over.") if self.steps else plan.only_rate
        if not self.steps:
            return plan.start
        rate = self._searched() if plan.search else self._climbed()
        if rate is not None and len(self.steps) >= plan.most_steps:
            return self._end(f"The bound of {plan.most_steps} steps was reached.")
        return rate

    def _end(self, why: str) -> float | None:
        self.ended = why
        return None

    def _above(self, rate: float) -> float | None:
        last = self.plan.last
        if last is None or rate <= last * 1.001:
            return rate
        if self.steps[-1].offered < last * 0.98:
            return last
        outcome = "passed" if self.steps[-1].passed else "failed"
        return self._end(f"The last step, {last:g} requests/s, {outcome}.")

    def _climbed(self) -> float | None:
        failed = [step for step in self.steps[-2:] if not step.passed]
        if failed and is_severe(self.steps[-1]):
            return self._end("The site no longer kept up, by far.")
        if len(failed) == 2:
            return self._end("The site no longer kept up, twice in a row.")
        return self._above(self.steps[-1].offered * self.plan.factor)

    def _searched(self) -> float | None:
        failed = min((s.offered for s in self.steps if not s.passed), default=None)
        if failed is None:
            return self._above(self.steps[-1].offered * 2)
        if self.best is None:
            if failed / 2 < LOWEST:
                return self._end(f"The site did not keep up with {failed:g} requests/s.")
            return failed / 2
        rate = self.best.offered * self.plan.factor
        # The next rate would be the one that failed.
        if rate > failed * 0.95:
            return self._end("The site no longer kept up.")
        return rate
