"""Predictions: ratios of bounds, capped by the next part, with an interval."""

from __future__ import annotations

import pytest

from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, Interval, Kind
from espalier.insight.predict import (
    apart,
    connections_of,
    efficiency,
    freed,
    less_work,
    predicted,
    relieved,
    step_ratio,
    with_app_machine,
    with_replica,
)
from tests.unit.insight.evidence_builder import evidence, failing, load, part, parts_with, site

CHANGE = Change(Remedy.APP_SERVERS, Place.APP_PROCESSOR, "Run Django on app2 as well.")


def full(bound: float = 50.0, next_one: float = 400.0) -> Evidence:
    """web1's processor is full at 50/s and db1's at another rate; the knee is at 40/s."""
    parts = parts_with(
        part(Kind.PROCESSOR, "web1", 2, bound, 40, "django"),
        part(Kind.PROCESSOR, "db1", 2, next_one, 40, "postgresql_primary"),
    )
    return failing(40, {}, parts=parts, load=None)


def test_a_gain_is_the_ratio_of_bounds_and_today_times_it_is_what_comes() -> None:
    given = full()
    change = predicted(CHANGE, given, [(given.parts[0], Interval(90, 100, 110))])
    assert change.gain == Interval(1.8, 2.0, 2.2)
    assert change.after == Interval(72.0, 80.0, 88.0)
    assert change.next_limit == "processor of web1"


def test_the_next_part_caps_the_gain_and_is_named() -> None:
    given = full(next_one=60.0)
    change = predicted(CHANGE, given, [(given.parts[0], Interval(90, 100, 110))])
    assert change.gain == Interval(1.116, 1.2, 1.284)
    assert change.next_limit == "processor of db1"


def test_steps_blur_both_knees() -> None:
    """Either knee may lie anywhere in its step, so the interval is wider with long steps."""
    given = full()
    stepped = failing(40, {}, parts=given.parts)
    change = predicted(CHANGE, stepped, [(stepped.parts[0], Interval(100, 100, 100))])
    assert change.gain == Interval(1.681, 2.0, 2.38)


@pytest.mark.parametrize(("bound", "expected"), [(50.0, 0.8), (45.0, 0.889), (100.0, 0.6)])
def test_efficiency_is_how_near_to_its_bound_the_site_came(bound: float, expected: float) -> None:
    assert efficiency(full(), bound) == pytest.approx(expected, abs=0.001)


def test_efficiency_is_the_usual_one_where_the_limit_was_not_met() -> None:
    assert efficiency(evidence(), 400.0) == 0.85


def test_an_app_machine_doubles_what_django_has_alone() -> None:
    alone = part(Kind.PROCESSOR, "web1", 2, 50, 40, "django")
    assert with_app_machine(alone, 2, 1).value == pytest.approx(100)


def test_an_app_machine_gains_little_where_the_database_stays_behind() -> None:
    shares = {"django": 0.4, "postgresql_primary": 0.5, "nginx": 0.1}
    shared = part(Kind.PROCESSOR, "vps1", 2, 50, 40, "django", shares=shares)
    assert with_app_machine(shared, 2, 1).value == pytest.approx(50 / 0.6)
    assert apart(shared).value == pytest.approx(50 / 0.6)


@pytest.mark.parametrize(
    ("reads", "replicas", "expected"), [(1.0, 0, 100.0), (0.0, 0, 50.0), (0.8, 0, 83.3)]
)
def test_a_replica_takes_its_share_of_the_reads(
    reads: float, replicas: int, expected: float
) -> None:
    base = part(Kind.PROCESSOR, "db1", 2, 50, 40, "postgresql_primary")
    assert with_replica(base, reads, replicas).value == pytest.approx(expected, abs=0.05)


def test_a_second_replica_takes_from_what_is_left() -> None:
    base = part(Kind.PROCESSOR, "db1", 2, 50, 40, "postgresql_primary")
    assert with_replica(base, 1.0, 1).value == pytest.approx(75.0)


def test_less_work_never_removes_all() -> None:
    assert less_work(Interval(10, 10, 10), 0.0, 0.5, 1.5) == Interval(10, 20, pytest.approx(500))


def test_work_goes_where_a_service_has_its_share() -> None:
    shares = {"django": 0.5, "postgresql_primary": 0.4, "nginx": 0.1}
    shared = part(Kind.PROCESSOR, "vps1", 2, 50, 40, "django", shares=shares)
    given = evidence(parts=[shared])
    ((found, bound),) = relieved(given, (0.8, 0.8, 0.8), (0.5, 0.5, 0.5))
    assert found == shared
    assert bound.value == pytest.approx(50 / 0.4)


def test_what_threads_wait_for_ends_at_the_next_hard_part() -> None:
    given = failing(40, {}, load=None)  # web1's processor is full at 160/s
    change = freed(CHANGE, given, 0.9)
    assert change.gain is not None
    assert change.gain.value == pytest.approx(160 * 0.85 / 40)
    assert change.next_limit == "processor of web1"


def test_what_threads_wait_for_leaves_threads_as_the_limit_where_little_goes() -> None:
    change = freed(CHANGE, failing(40, {}, load=None), 0.5)
    assert change.gain == Interval(1.5, 2.0, 3.0)
    assert change.next_limit == "threads"


def test_connections_of_a_further_machine_are_those_of_the_largest() -> None:
    many = site(workers={"a": 2, "b": 3}, threads={"a": 4, "b": 4})
    assert connections_of(evidence(site=many), 1) == 32


def test_the_ratio_of_steps() -> None:
    assert step_ratio(load(40)) == pytest.approx(1.25)
    assert step_ratio(None) == 1.0
