"""What a site costs with more machines, and where one more gains nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from espalier.insight.cost import cost_curve
from tests.unit.insight.evidence_builder import priced

PRICES = {"web1": 10.0, "db1": 20.0}


def test_each_machine_costs_as_much_and_gains_until_another_part_is_full() -> None:
    found = cost_curve(priced(**PRICES))
    assert [(one.machines, one.cost, one.full) for one in found] == [
        (1, 30.0, "processor of web1"),
        (2, 40.0, "processor of web1"),
        (3, 50.0, "processor of db1"),
        (4, 60.0, "processor of db1"),
    ]
    # 80% of each bound, as today.
    assert [one.limit for one in found] == pytest.approx([40.0, 80.0, 96.0, 96.0])
    # 2,400 requests a minute cost 30, 4,800 cost 40.
    assert [round(one.per_thousand, 2) for one in found] == [12.5, 8.33, 8.68, 10.42]


def test_the_site_as_it_is_comes_first_where_a_machine_gains_nothing() -> None:
    found = priced(**PRICES)
    full = replace(found, parts=[found.parts[1]], sustained=96.0)
    first, second = cost_curve(full)
    assert (first.machines, first.limit, first.cost) == (1, pytest.approx(96.0), 30.0)
    assert (second.machines, second.limit, second.cost) == (2, pytest.approx(96.0), 40.0)


def test_no_curve_without_every_price_or_without_load() -> None:
    assert cost_curve(priced(web1=10.0)) == []
    assert cost_curve(priced()) == []
    assert cost_curve(replace(priced(**PRICES), enough=False)) == []
    assert cost_curve(replace(priced(**PRICES), parts=[])) == []
