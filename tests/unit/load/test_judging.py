"""Whether a site kept up with a rate."""

from __future__ import annotations

import pytest

from espalier.insight.recording import Step
from espalier.insight.window import is_late
from espalier.load.judging import (
    disturbs,
    is_severe,
    percentile,
    step_of,
    suffering,
)
from espalier.load.sender import ABANDONED, Outcome


def outcomes(
    rate: int, seconds: int, took: float = 0.02, late: float = 0.001, failure: str = ""
) -> list[Outcome]:
    """Requests at even distances, all alike."""
    return [Outcome(number / rate, late, took, failure) for number in range(rate * seconds)]


def judged(rows: list[Outcome], lowest: Step | None = None, cut: str = "") -> Step:
    return step_of(rows, 10, 1000.0, (5, 20), lowest, cut)


LOWEST = judged(outcomes(10, 20))


def test_percentiles_are_nearest_ranks() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([float(number) for number in range(1, 101)], 0.95) == 95
    assert percentile([7], 0.99) == 7
    assert percentile([], 0.5) == 0


def test_a_step_is_counted_without_its_warming_up() -> None:
    rows = [one._replace(took=9.0) if one.due < 1 else one for one in outcomes(10, 20)]

    step = judged(rows)

    assert (step.sent, step.failed, step.began, step.ended) == (150, 0, 1005, 1020)
    # Ten of the warming up ended in the window.
    assert step.answered == 160
    assert (step.p50, step.p95, step.p99, step.lag) == (0.02, 0.02, 0.02, 0.001)
    assert step.passed and step.why == ""


def test_one_failure_is_chance_and_more_than_one_percent_is_not() -> None:
    rows = outcomes(10, 20)
    rows[100] = rows[100]._replace(failure="status 502")
    assert judged(rows).passed

    rows[101] = rows[101]._replace(failure="status 502")
    step = judged(rows)

    assert not step.passed
    assert step.failed == 2 and step.answered == 150
    assert step.why == "1.3% of the requests failed (most: status 502)"


def test_three_times_slower_than_the_lowest_rate_does_not_pass() -> None:
    slow = LOWEST.model_copy(update={"p95": 0.15})

    assert judged(outcomes(10, 20, took=0.449), slow).passed
    assert judged(outcomes(10, 20, took=0.451), slow).why == (
        "p95 is 451 ms, more than 3 times that of 10 requests/s (150 ms)"
    )
    # A few periods of a quota, which a site has long before it is full.
    assert judged(outcomes(10, 20, took=0.29), LOWEST).passed


def test_a_rate_that_is_not_achieved_does_not_pass() -> None:
    rows = outcomes(100, 20)
    # A tenth of what is due in the window is answered after its end only.
    rows = [one._replace(took=18.0 - one.due + 3) if one.due >= 18.5 else one for one in rows]

    step = step_of(rows, 100, 0.0, (5, 20), LOWEST.model_copy(update={"p95": 2.0}))

    # Two of the warming up ended in the window.
    assert (step.sent, step.answered) == (1500, 1352)
    assert step.why == "90% of the requests were answered in time"


def test_a_growing_queue_does_not_pass_even_at_the_lowest_rate() -> None:
    rows = [one._replace(took=0.05 + one.due / 20) for one in outcomes(10, 20)]

    assert judged(rows).why == "the answers took longer and longer"


def test_abandoned_requests_are_failed_and_not_answered() -> None:
    rows = [one._replace(failure=ABANDONED, took=15.0) for one in outcomes(10, 20)]

    step = judged(rows, LOWEST)

    assert (step.sent, step.answered, step.failed) == (150, 0, 0)
    assert not step.passed and is_severe(step)


def test_a_step_that_was_cut_did_not_pass() -> None:
    assert judged(outcomes(10, 20), cut="enough").why == "enough"
    assert not judged(outcomes(10, 20), cut="enough").passed


def test_a_failure_is_severe_where_more_load_would_teach_nothing() -> None:
    failed = LOWEST.model_copy(update={"passed": False})

    assert not is_severe(LOWEST)
    assert not is_severe(failed.model_copy(update={"failed": 7}))
    assert is_severe(failed.model_copy(update={"failed": 8}))
    assert is_severe(failed.model_copy(update={"p95": 5.1}))


@pytest.mark.parametrize(
    ("lag", "p50", "late"),
    [(0.019, 0.01, False), (0.021, 0.01, True), (0.021, 0.3, False), (0.04, 0.3, True)],
)
def test_the_sender_may_be_late_by_twenty_ms_or_a_tenth_of_the_answer(
    lag: float, p50: float, late: bool
) -> None:
    assert is_late(LOWEST.model_copy(update={"lag": lag, "p50": p50})) is late


def test_a_step_is_cut_when_visitors_suffer() -> None:
    good, bad = outcomes(10, 10), outcomes(10, 10, failure="status 503")
    mixed = [one if number % 4 else bad[number] for number, one in enumerate(good)]

    assert suffering(good, 50, 10) == ""
    assert suffering(mixed, 50, 10) == "24% of the requests failed in the last 5 s"
    assert suffering(bad, 50, 4) == ""
    assert suffering(good[:40], 50, 10) == "nothing was answered for 5 s"
    assert suffering([], 2, 10) == ""


def test_production_is_left_alone_as_soon_as_it_could_be_noticed() -> None:
    good = outcomes(10, 60)
    slower = [one._replace(took=0.11) if one.due >= 45 else one for one in good]
    two, three = [
        [one._replace(failure="status 502") if one.due < n / 10 else one for one in good[:100]]
        for n in (2, 3)
    ]

    assert disturbs(good, 60) == ""
    assert disturbs(slower, 55) == "p95 went from 20 ms to 110 ms"
    assert disturbs(two, 10) == ""
    assert disturbs(three, 10) == "3 of 100 requests failed"
