"""The curve of throughput against load, its law, and the trend over days."""

from __future__ import annotations

from datetime import date

import pytest

from espalier.insight.evidence import Kind
from espalier.insight.observe import observe
from espalier.insight.readings import Sample
from espalier.insight.recording import Recording
from espalier.insight.scalability import Law, Point, curve, full_at, law
from espalier.insight.trend import peak, trend
from tests.unit.insight.builders import Host, recording

WEB = {"web1": Host(services=("nginx", "django"), workers=4)}
FULL_AT_100 = {"nginx": 0.0, "django": 0.02, "postgresql_primary": 0.0}


def points(made: Law, *concurrencies: float) -> list[Point]:
    """Points on a law's curve."""
    return [
        Point(
            offered=made.throughput(n),
            achieved=made.throughput(n),
            p50=0.1,
            p95=0.1,
            concurrency=n,
            passed=True,
        )
        for n in concurrencies
    ]


def test_the_curve_has_a_point_for_each_step() -> None:
    made = recording(machines=WEB, demands=FULL_AT_100, steps=[25, 50, 80, 130, 160], seconds=20)
    found = curve(made)
    assert [point.offered for point in found] == [25, 50, 80, 130]
    assert [point.passed for point in found] == [True, True, True, False]
    assert found[3].achieved == pytest.approx(100, rel=0.03)
    assert found[0].concurrency == pytest.approx(25 * 0.021, rel=0.2)  # Little's law
    assert curve(recording()) == []


def test_the_law_is_found_again_from_its_points() -> None:
    true = Law(speed=40.0, sigma=0.05, kappa=0.002, fit=1.0)
    found = law(points(true, 1, 2, 4, 8, 12, 16, 24))
    assert found is not None
    assert (found.speed, found.sigma, found.kappa) == pytest.approx((40.0, 0.05, 0.002))
    assert found.fit == pytest.approx(1.0)
    assert found.best == pytest.approx((0.95 / 0.002) ** 0.5)


def test_without_coherency_throughput_comes_near_speed_by_sigma() -> None:
    found = law(points(Law(50.0, 0.1, 0.0, 1.0), 1, 2, 3, 5, 8, 12, 20))
    assert found is not None
    assert found.kappa == pytest.approx(0.0, abs=1e-6)
    assert found.throughput(20) == pytest.approx(50 * 20 / 2.9)
    assert Law(50.0, 0.1, 0.0, 1.0).most == pytest.approx(500)


def test_no_law_of_fewer_than_six_steps_or_of_a_straight_line() -> None:
    true = Law(40.0, 0.05, 0.002, 1.0)
    assert law(points(true, 1, 2, 4, 8, 12)) is None
    assert law(points(Law(40.0, 0.0, 0.0, 1.0), 1, 2, 3, 4, 5, 6)) is None


def test_the_law_of_one_queue_gives_the_rate_at_which_it_is_full() -> None:
    # A request takes 0.01 s of one server: at utilisation u there are u / (1 - u) requests in it.
    used = (0.1, 0.25, 0.4, 0.55, 0.7, 0.8)
    found = law([Point(100 * u, 100 * u, 0.0, 0.0, u / (1 - u), True) for u in used])
    assert found is not None
    assert found.most == pytest.approx(100)
    assert found.kappa == pytest.approx(0.0, abs=1e-6)


def test_a_backlog_beyond_the_knee_is_no_point_of_the_law() -> None:
    true = points(Law(40.0, 0.05, 0.002, 1.0), 1, 2, 4, 8, 12, 16)
    backlog = Point(400, 220, 3.0, 9.0, 900.0, passed=False)
    assert law([*true, backlog]) == law(true)
    assert law([*true[:5], backlog]) is None


def test_the_part_that_is_full_at_a_multiple_of_today() -> None:
    demands = {"nginx": 0.0, "django": 0.02, "postgresql_primary": 0.0}
    found = observe(recording(machines=WEB, demands=demands, rate=40, seconds=120))
    full = full_at(found, 3.0)
    assert full is not None
    assert full.kind == Kind.PROCESSOR
    assert full_at(found, 2.0) is None


def test_connections_are_not_full_where_threads_are_fewer() -> None:
    def busy(name: str, sample: Sample) -> Sample:
        postgresql = sample.postgresql
        assert postgresql is not None
        changed = postgresql.model_copy(update={"connections": 30.0})
        return sample.model_copy(update={"postgresql": changed})

    host = {"web1": Host(workers=4, threads=8)}
    few, many = (
        observe(recording(machines=host, rate=5, site={"max_connections": limit}, change=busy))
        for limit in (31, 40)
    )
    full = full_at(few, 2.0)
    assert full is not None
    assert full.kind == Kind.CONNECTIONS
    assert full_at(many, 2.0) is None


def day(number: int, rate: float, purpose: str = "measure") -> Recording:
    made = recording(rate=rate, seconds=60, seed=number)
    return made.model_copy(update={"made": f"2026-12-{number:02d}T09:00:00Z", "purpose": purpose})


def test_the_peak_is_the_fullest_minute() -> None:
    calm, busy = recording(rate=5, seconds=120), recording(rate=50, seconds=60)
    moved = [one._replace(t=one.t + 30) for one in busy.machines["web1"].requests]
    web = calm.machines["web1"]
    web = web.model_copy(update={"requests": web.requests + moved})
    both = calm.model_copy(update={"machines": {"web1": web}})
    assert peak(both) == pytest.approx(55, rel=0.1)


def test_growth_by_day_reaches_the_bound_on_a_day() -> None:
    found = trend([day(1, 10), day(1, 3), day(3, 20), day(5, 30)], 100.0)
    assert found is not None
    assert list(found.peaks) == [date(2026, 12, 1), date(2026, 12, 3), date(2026, 12, 5)]
    assert found.per_day == pytest.approx(5, rel=0.1)
    assert found.reached is not None
    assert found.peaks[date(2026, 12, 1)] == pytest.approx(10, rel=0.1)
    assert date(2026, 12, 17) <= found.reached <= date(2026, 12, 22)


def test_a_bound_that_was_passed_already_is_reached_on_the_last_day() -> None:
    found = trend([day(1, 10), day(3, 20), day(5, 30)], 12.0)
    assert found is not None
    assert found.reached == date(2026, 12, 5)


def test_no_trend_of_two_days_and_no_date_without_growth() -> None:
    assert trend([day(1, 10), day(1, 12), day(3, 20), day(5, 90, "load")], 100.0) is None
    found = trend([day(1, 30), day(2, 20), day(3, 10)], 100.0)
    assert found is not None
    assert found.reached is None
