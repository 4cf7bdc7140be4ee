"""Whether a site kept up with a rate: pure functions over the outcomes of its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt

from espalier.insight.figures import percentile
from espalier.insight.recording import Step
from espalier.insight.words import duration
from espalier.load.sender import ABANDONED, Outcome

SLOWER = 3.0  # p95 against that of the lowest rate
# Seconds; below, a step does not fail for being slower. A quota holds a request back for up to its
# period of 100 ms, and some that come close together for a few of them, long before it is full.
SLOW = 0.3
NOTICED = 0.1  # seconds: below, nobody notices that a page of production is slower
WORST = 5.0  # seconds of p95, after which nothing is learnt from more load
ERRORS, MANY_ERRORS = 0.01, 0.05  # shares of the requests
ACHIEVED = 0.97  # of what was offered
FEW = 5  # requests
WATCHED = 5.0  # seconds in which a load watches whether the site still answers
SUFFERING = 0.2  # share of errors


def step_of(
    outcomes: Sequence[Outcome],
    rate: float,
    began: float,
    window: tuple[float, float],
    lowest: Step | None = None,
    cut: str = "",
) -> Step:
    """Put a step into numbers, and judge it.

    Args:
        outcomes: of all its requests, those of the warming up included.
        rate: what was to be offered, in requests per second.
        began: when the step began, on the Unix clock.
        window: from when to when it counts, in seconds since it began.
        lowest: the step of the lowest rate; None where this is the first.
        cut: why it was ended early; such a step did not pass.

    Returns:
        The step. `sent` and the percentiles are of the requests that were due in the window,
        `answered` and `failed` of the requests that ended in it: their difference is what the
        site could do in that time.
    """
    begin, end = window
    due = [one for one in outcomes if begin <= one.due < end]
    ended = [
        one for one in outcomes if begin <= one.due + one.took < end and one.failure != ABANDONED
    ]
    took = [one.took for one in due]
    step = Step(
        offered=rate,
        began=began + begin,
        ended=began + end,
        sent=len(due),
        answered=len(ended),
        failed=sum(1 for one in ended if one.failure),
        p50=percentile(took, 0.5),
        p95=percentile(took, 0.95),
        p99=percentile(took, 0.99),
        lag=percentile((one.late for one in due), 0.99),
        passed=False,
    )
    why = cut or reason(step, due, lowest)
    return step.model_copy(update={"passed": not why, "why": why})


def reason(step: Step, due: Sequence[Outcome], lowest: Step | None) -> str:
    """Say why a step did not pass, or "" where it did.

    Args:
        step: in numbers.
        due: the outcomes of the requests that were due in it.
        lowest: the step of the lowest rate, to compare with.
    """
    if not due:
        return "no request was due"
    failures = Counter(one.failure for one in due if one.failure)
    failed = failures.total()
    # One failure of 50 requests is 2%, and no sign of anything.
    if failed > max(ERRORS * len(due), 1):
        most = failures.most_common(1)[0][0]
        return f"{failed / len(due):.1%} of the requests failed (most: {most})"
    if lowest and step.p95 > SLOW and step.p95 > SLOWER * lowest.p95:
        return (
            f"p95 is {duration(step.p95)}, more than {SLOWER:g} times that of "
            f"{lowest.offered:g} requests/s ({duration(lowest.p95)})"
        )
    if step.p95 > WORST:
        return f"p95 is {step.p95:.1f} s"
    if not lowest and _grows(due):
        return "the answers took longer and longer"
    good = step.answered - step.failed
    # Requests under way at the beginning and the end of the window differ by chance (Little), and
    # a handful of few is no sign of anything: a site that falls behind is slow as well.
    chance = 3 * sqrt(2 * step.offered * (lowest or step).p95)
    if step.sent - good > max((1 - ACHIEVED) * step.sent, chance, failed + 1, FEW):
        return f"{good / step.sent:.0%} of the requests were answered in time"
    return ""


def _grows(due: Sequence[Outcome]) -> bool:
    """Whether a queue grows: the last third of the requests waits twice as long as the first."""
    ordered = sorted(due)
    third = len(ordered) // 3
    first, last = (
        percentile((one.took for one in part), 0.5) for part in (ordered[:third], ordered[-third:])
    )
    return third >= 10 and last > NOTICED and last > 2 * first


def is_severe(step: Step) -> bool:
    """Whether a step failed so clearly that no higher rate needs to be tried."""
    if step.passed:
        return False
    nothing = step.answered == step.failed
    return nothing or step.p95 > WORST or step.failed > MANY_ERRORS * step.answered


def suffering(outcomes: Sequence[Outcome], sent: int, now: float) -> str:
    """Say why a step is to be cut, from its outcomes so far; "" where the site still answers.

    Args:
        outcomes: all so far.
        sent: how many requests were sent in the last five seconds.
        now: seconds since the step began.
    """
    if now < WATCHED:
        return ""
    recent = [one for one in outcomes if one.due + one.took >= now - WATCHED]
    failed = sum(1 for one in recent if one.failure)
    if not recent and sent >= 5:
        return f"nothing was answered for {WATCHED:g} s"
    if failed >= 3 and failed > SUFFERING * len(recent):
        return f"{failed / len(recent):.0%} of the requests failed in the last {WATCHED:g} s"
    return ""


def disturbs(outcomes: Sequence[Outcome], now: float) -> str:
    """Say why a load on production is to be ended, from its outcomes so far; "" where it may go on.

    The first 30 s say how quick the site is; the last 10 s must not be twice as slow.
    """
    failed = sum(1 for one in outcomes if one.failure)
    if failed > max(ERRORS * len(outcomes), 2):
        return f"{failed} of {len(outcomes)} requests failed"
    first = [one.took for one in outcomes if one.due < 30]
    last = [one.took for one in outcomes if one.due + one.took >= now - 10]
    if now < 40 or not first or not last:
        return ""
    before, after = percentile(first, 0.95), percentile(last, 0.95)
    if after > NOTICED and after > 2 * before:
        return f"p95 went from {duration(before)} to {duration(after)}"
    return ""
