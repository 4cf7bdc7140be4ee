"""Which rate comes next, and when a load ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from espalier.insight.recording import Step
from espalier.inventory.site import SiteError
from espalier.load.arrivals import arrivals
from espalier.load.rates import Plan, Rates


def step(rate: float, passed: bool, severe: bool = False) -> Step:
    return Step(
        offered=rate,
        began=0,
        ended=10,
        sent=100,
        answered=100,
        failed=10 if severe else 0,
        p50=0.01,
        p95=0.02,
        p99=0.03,
        lag=0,
        passed=passed,
    )


def climb(plan: Plan, passes: Callable[[float], bool], severe: bool = False) -> Rates:
    rates = Rates(plan)
    while (rate := rates.following()) is not None:
        rates.add(step(rate, passes(rate), severe and not passes(rate)))
    return rates


def offered(rates: Rates) -> list[float]:
    return [round(one.offered, 2) for one in rates.steps]


def test_it_climbs_until_two_steps_fail_in_a_row() -> None:
    rates = climb(Plan(start=10), lambda rate: rate < 20)

    assert offered(rates) == [10, 12.5, 15.62, 19.53, 24.41, 30.52]
    assert rates.best and round(rates.best.offered, 2) == 19.53
    assert rates.ended == "The site no longer kept up, twice in a row."


def test_one_failed_step_is_chance_if_the_next_passes() -> None:
    rates = climb(Plan(start=8, factor=2, last=32), lambda rate: rate != 16)

    assert offered(rates) == [8, 16, 32]
    assert rates.best and rates.best.offered == 32
    assert rates.ended == "The last step, 32 requests/s, passed."


def test_it_ends_at_once_after_a_clear_failure() -> None:
    rates = climb(Plan(start=10), lambda rate: rate < 11, severe=True)

    assert offered(rates) == [10, 12.5]


def test_the_last_rate_is_tried_itself() -> None:
    assert offered(climb(Plan(start=10, last=14), lambda rate: True)) == [10, 12.5, 14]


def test_steps_are_bounded() -> None:
    rates = climb(Plan(start=1, most_steps=4), lambda rate: True)

    assert len(rates.steps) == 4
    assert rates.ended == "The bound of 4 steps was reached."


def test_a_search_doubles_and_then_goes_up_from_the_last_that_passed() -> None:
    rates = climb(Plan(start=4, search=True), lambda rate: rate < 23)

    assert offered(rates) == [4, 8, 16, 32, 20, 25]
    assert rates.best and rates.best.offered == 20
    assert rates.ended == "The site no longer kept up."


def test_a_search_does_not_try_the_failed_rate_again() -> None:
    # 16 times 1.25 cubed is 31.25, which is as good as the 32 that failed.
    assert offered(climb(Plan(start=16, search=True), lambda rate: rate < 32)) == [16, 32, 20, 25]


def test_a_search_that_begins_too_high_goes_down_first() -> None:
    rates = climb(Plan(start=16, search=True), lambda rate: rate < 5.5)

    assert offered(rates) == [16, 8, 4, 5, 6.25]


def test_a_search_ends_where_the_site_bears_nothing() -> None:
    rates = climb(Plan(start=2, search=True), lambda rate: False)

    assert offered(rates) == [2, 1, 0.5]
    assert rates.best is None


def test_one_rate_is_one_step() -> None:
    assert offered(climb(Plan(only_rate=7), lambda rate: False)) == [7]


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": 10, "warm_up": 10}, {"start": 0}, {"factor": 1}, {"start": 9, "last": 8}],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SiteError) as refused:
        Plan(**wrong)  # type: ignore[arg-type]

    assert refused.value.status == 2


def test_a_plan_says_how_much_it_may_send() -> None:
    assert Plan().highest == float("inf")
    assert Plan(start=2, last=30).highest == 30
    assert Plan(only_rate=7).highest == 7


def test_arrivals_are_irregular_and_as_many_as_the_rate_says() -> None:
    due = arrivals(20, 60, random.Random(3))

    assert len(due) == 1200
    assert due == sorted(due) and due[0] >= 0 and due[-1] < 60
    assert due == arrivals(20, 60, random.Random(3)) != arrivals(20, 60, random.Random(4))
    # Of a Poisson process, the gaps are spread as much as they are long.
    gaps = [after - before for before, after in pairwise(due)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert 0.9 < spread / mean < 1.1


def test_a_low_rate_shared_by_several_is_kept() -> None:
    dice = random.Random(1)

    total = sum(len(arrivals(0.05, 60, dice)) for _ in range(100))

    assert 285 <= total <= 315
