"""Prices: a month, for a thousand requests a minute more, and which remedy is the cheaper one."""

from __future__ import annotations

from dataclasses import replace

from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Interval
from espalier.insight.price import best_first, comparable, machine_price, priced
from tests.unit.insight.evidence_builder import site


def change(remedy: Remedy, gain: tuple[float, float, float], cost: float | None) -> Change:
    """A change with a gain and a cost."""
    return Change(remedy, Place.APP_PROCESSOR, "", gain=Interval(*gain), cost=cost)


def test_a_thousand_requests_a_minute_more() -> None:
    plain = Change(
        Remedy.APP_SERVERS,
        Place.APP_PROCESSOR,
        "",
        gain=Interval(1.6, 2.0, 2.4),
        after=Interval(40, 50, 60),
    )
    # From 25/s, the limit before, to 50/s: 1,500 a minute more, whatever visitors ask for today.
    assert priced(plain, 6.0).per_thousand == 4.0
    assert priced(plain, None).per_thousand is None
    assert priced(replace(plain, gain=Interval(0.9, 1.0, 1.1)), 6.0).per_thousand is None
    assert priced(replace(plain, gain=None), 6.0).per_thousand is None


def test_a_new_machine_costs_what_its_like_does() -> None:
    prices = site(prices={"web1": 5.0, "db1": 20.0, "app1": 7.0})
    assert machine_price(prices, "db1") == 20.0
    assert machine_price(prices, "other") == 7.0
    assert machine_price(site(), "web1") is None


def test_comparable_gains_are_within_each_others_interval() -> None:
    assert comparable(Interval(1.5, 2.0, 2.5), Interval(1.4, 1.6, 1.8))
    assert not comparable(Interval(1.9, 2.0, 2.1), Interval(1.1, 1.2, 1.3))
    assert not comparable(None, Interval(1, 1, 1))


def test_the_cheaper_one_of_two_that_gain_about_the_same_comes_first() -> None:
    dear = change(Remedy.LARGER_MACHINE, (1.8, 2.1, 2.4), 40.0)
    cheap = change(Remedy.APP_SERVERS, (1.7, 2.0, 2.2), 5.0)
    poor = change(Remedy.SPLIT_MACHINES, (1.1, 1.2, 1.3), 0.0)
    assert best_first([dear, poor, cheap]) == [cheap, dear, poor]


def test_without_prices_the_better_one_comes_first() -> None:
    better = change(Remedy.LARGER_MACHINE, (1.8, 2.1, 2.4), None)
    cheap = change(Remedy.APP_SERVERS, (1.7, 2.0, 2.2), 5.0)
    assert best_first([cheap, better]) == [better, cheap]
