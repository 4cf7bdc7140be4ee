"""Numbers and times as a person reads them."""

from __future__ import annotations

import pytest

from espalier.insight.evidence import Interval
from espalier.insight.report import words


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0423, "0.042"), (0.999, "1.0"), (4.24, "4.2"), (9.96, "10"), (4210.4, "4,210")],
)
def test_number(value: float, shown: str) -> None:
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("errors", "shown"),
    [(0, "100%"), (1e-9, "99.99%"), (0.0004, "99.96%"), (0.02, "98.0%"), (1, "0.0%")],
)
def test_availability_is_100_only_where_nothing_failed(errors: float, shown: str) -> None:
    assert words.availability(errors) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 ms"), (0.0004, "0.4 ms"), (0.1204, "120 ms"), (0.9996, "1.0 s"), (12.4, "12 s")],
)
def test_duration(seconds: float, shown: str) -> None:
    assert words.duration(seconds) == shown


def test_intervals() -> None:
    assert words.spread(Interval(38, 41, 44)) == "41 (38–44)"  # noqa: RUF001
    assert words.times(Interval(1.66, 1.85, 12.3)) == "×1.85 (1.66–12)"  # noqa: RUF001


@pytest.mark.parametrize(
    ("part", "shown"), [(0, "0%"), (0.004, "0.4%"), (0.38, "38%"), (1, "100%")]
)
def test_share(part: float, shown: str) -> None:
    assert words.share(part) == shown


def test_times_and_money() -> None:
    assert words.moment(1796098500.0) == "1 December 2026, 04:15 UTC"
    assert [words.span(one) for one in (1, 45, 600, 10800)] == [
        "1 second",
        "45 seconds",
        "10 minutes",
        "3 hours",
    ]
    assert words.money(6.4, "EUR") == "6.40 EUR"
    assert words.money(0.004, "") == "0.004"
