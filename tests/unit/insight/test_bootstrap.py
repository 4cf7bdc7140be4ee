"""How certain a bound is."""

from __future__ import annotations

from random import Random

import pytest

from espalier.insight.bootstrap import Used, bounds
from espalier.insight.figures import least_squares, percentile


def test_a_constant_part_has_a_bound_without_width() -> None:
    (found,) = bounds([Used(2.0, [0.5] * 30, True)], [10.0] * 30)
    assert (found.bound.low, found.bound.value, found.bound.high) == pytest.approx((40, 40, 40))
    assert found.lowest == 1.0


def test_hard_parts_compare_with_hard_ones_and_soft_ones_with_all() -> None:
    found = bounds(
        [
            Used(2.0, [1.0] * 30, True),  # full at 20
            Used(1.0, [0.25] * 30, True),  # at 40
            Used(4.0, [4.0] * 30, False),  # at 10
            Used(9.0, [4.0] * 30, False),  # at 22
        ],
        [10.0] * 30,
    )
    assert [round(one.bound.value) for one in found] == [20, 40, 10, 22]
    assert [one.lowest for one in found] == [1.0, 0.0, 1.0, 0.0]


def test_seconds_that_are_alike_make_a_bound_less_certain() -> None:
    random = Random(3)
    noise = [random.choice((0.5, 1.5)) for _ in range(20)]
    alike = [value for value in noise for _ in range(5)]
    mixed = random.sample(alike, len(alike))
    widths = []
    for busy in (alike, mixed):
        (found,) = bounds([Used(2.0, busy, True)], [10.0] * 100)
        widths.append(found.bound.high - found.bound.low)
    assert widths[0] > 1.4 * widths[1]


def test_a_short_window_has_an_interval_all_the_same() -> None:
    """A step of ten seconds that is warm after two: one block of five would vary in nothing."""
    (found,) = bounds([Used(1.0, [0.3, 0.5, 0.4, 0.6, 0.5, 0.3, 0.4, 0.6], True)], [10.0] * 8)
    assert found.bound.value == pytest.approx(22.2, abs=0.1)
    assert found.bound.low < 20.5
    assert found.bound.high > 24


def test_a_few_seconds_are_enough_for_a_bound() -> None:
    (found,) = bounds([Used(1.0, [0.5], True)], [5.0])
    assert found.bound.value == 10.0


def test_a_part_that_is_used_in_one_second_has_a_bound_that_is_a_number() -> None:
    (found,) = bounds([Used(1.0, [0.0] * 20 + [1.0], True)], [1.0] * 21)
    assert found.bound.value == 21.0
    assert found.bound.high == pytest.approx(2100)


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0
    assert percentile(map(float, range(1, 101)), 0.95) == 95.0
    assert percentile([], 0.5) == 0.0


def test_least_squares() -> None:
    rows = [[1.0, x, x * x] for x in (0.0, 1.0, 2.0, 5.0)]
    found = least_squares(rows, [3 + 2 * row[1] - row[2] for row in rows])
    assert found == pytest.approx([3, 2, -1])
    assert least_squares([[1.0, 2.0], [1.0, 2.0]], [1.0, 2.0]) is None
    assert least_squares([], []) is None
