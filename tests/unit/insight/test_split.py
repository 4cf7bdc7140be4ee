"""Where the time of a mean request goes."""

from __future__ import annotations

import pytest

from espalier.insight.evidence import Split
from espalier.insight.observe import observe
from espalier.insight.readings import Postgresql, Sample
from espalier.insight.recording import Request
from espalier.insight.split import database_waits, split
from espalier.insight.window import Row
from tests.unit.insight.builders import Visit, recording

PARTS = (
    "nginx",
    "queue",
    "computing",
    "waiting",
    "database",
    "connecting",
    "caching",
    "outside",
    "unexplained",
)
PLAIN = Request(
    t=1.0,
    path="/",
    key="a",
    method="GET",
    status=200,
    bytes=1000,
    took=1.0,
    upstream=0.9,
    connect=0.1,
    cache="",
    personal=False,
    target="",
    view="home",
    app=0.5,
    cpu=0.1,
    waited=0.05,
    database=0.2,
    queries=2,
    writes=0,
    connects=1,
    connecting=0.05,
    caching=0.02,
    hits=0,
    misses=0,
    outside=0.03,
    pid=1,
)


def of(*requests: Request, weight: int = 1) -> Split:
    return split([Row("web1", weight, one) for one in requests], {}).split


def close(found: Split, **wanted: float) -> None:
    assert {name: getattr(found, name) for name in wanted} == pytest.approx(wanted)
    assert sum(getattr(found, name) for name in PARTS) == pytest.approx(found.total)


def test_each_second_of_a_request_is_in_one_place() -> None:
    close(
        of(PLAIN),
        total=1.0,
        nginx=0.2,  # 0.1 around Django, 0.1 to connect to it
        queue=0.3,
        computing=0.1,
        waiting=0.05,
        database=0.15,
        connecting=0.05,
        caching=0.02,
        outside=0.03,
        unexplained=0.1,
    )


def test_it_is_the_mean_of_requests_that_django_answered() -> None:
    quick = PLAIN._replace(took=0.6, upstream=0.5, app=0.4)
    by_nginx = PLAIN._replace(took=9.0, upstream=None, app=None)
    close(of(PLAIN, quick, by_nginx), total=0.8, queue=0.15, computing=0.1, unexplained=0.05)


def test_requests_that_never_came_to_django_are_left_out() -> None:
    lost = PLAIN._replace(status=504, took=60.0, upstream=60.0, app=None)
    close(of(PLAIN, lost, lost), total=1.0, queue=0.3)


def test_without_times_of_django_all_of_its_time_is_unexplained() -> None:
    untold = PLAIN._replace(app=None, cpu=0.0, database=0.0)
    found = split([Row("web1", 1, untold)], {})
    assert not found.timing
    close(found.split, total=1.0, nginx=0.2, unexplained=0.8, queue=0.0, database=0.0)


def test_computing_inside_of_the_driver_does_not_count_twice() -> None:
    twice = PLAIN._replace(cpu=0.4, waited=0.0, database=0.4, connecting=0.0, caching=0, outside=0)
    close(of(twice), computing=0.25, database=0.25, unexplained=0.0, total=1.0)


def test_milliseconds_that_nginx_rounds_do_not_become_negative() -> None:
    rounded = PLAIN._replace(took=0.1, upstream=0.101, connect=0.0, app=0.105)
    found = of(rounded)
    close(found, nginx=0.0, queue=0.0, total=0.101)
    assert found.unexplained >= 0


def test_nothing_answered_is_no_time() -> None:
    found = split([], {"CPU": 1.0})
    assert (found.timing, found.split.total, found.split.share("queue")) == (False, 0.0, 0.0)


def test_sessions_of_the_database_are_divided_by_what_they_waited_for() -> None:
    looks = [
        Sample(t=1, dt=1, postgresql=Postgresql(waits={"CPU": 1.0, "Lock:tuple": 2.0})),
        Sample(t=2, dt=1, postgresql=Postgresql(waits={"CPU": 1.0})),
        Sample(t=3, dt=1),
    ]
    assert database_waits(looks) == {"CPU": 0.5, "Lock:tuple": 0.5}


def test_a_slow_service_elsewhere_is_outside() -> None:
    found = observe(recording(visits=[Visit(outside=0.3)], rate=10))
    assert found.timing
    assert found.split.outside == pytest.approx(0.3)
    assert found.split.share("outside") > 0.9


def test_a_site_without_the_overlay_tells_no_times() -> None:
    found = observe(recording(visits=[Visit(told=False)], rate=10))
    assert not found.timing
    assert found.split.share("unexplained") > 0.9
