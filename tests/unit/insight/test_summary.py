"""A recording in the four words."""

from __future__ import annotations

import pytest

from espalier.insight.readings import Postgresql, Processor, Sample, Service
from espalier.insight.summary import summarise
from espalier.measuring.words import summary_lines
from tests.unit.measuring.recordings import BEGAN, SITE, recording, request


def test_response_time_is_of_pages_and_has_its_worst_minute() -> None:
    quiet = [request(at, 0.1) for at in range(20)]
    slow = [request(60 + at, 0.4) for at in range(20)]
    files = [request(at, 0.001, upstream=None, app=None) for at in range(60)]
    found = summarise(recording(requests=[*quiet, *slow, *files]))
    assert (found.median, found.p95) == (0.1, 0.4)
    assert (found.worst_median, found.worst_p95) == (0.4, 0.4)
    assert found.requests == 100
    assert found.per_minute == pytest.approx(50)
    assert found.most_per_minute == 80


def test_requests_that_were_not_kept_count() -> None:
    found = summarise(recording(requests=[request(1), request(2, status=503)], every=10))
    assert found.requests == 20
    assert found.available == 0.5


def test_availability_counts_the_server_s_failures_only() -> None:
    statuses = [200, 302, 404, 500]
    found = summarise(recording(requests=[request(1, status=one) for one in statuses]))
    assert found.available == 0.75


def test_utilisation_is_fullest_first() -> None:
    made = recording(requests=[request(at / 2, 1.0) for at in range(240)])
    samples = [
        Sample(
            t=BEGAN + at + 1,
            dt=1,
            processor=Processor(busy=1.0 if at < 60 else 0.0),
            postgresql=Postgresql(connections=10),
        )
        for at in range(120)
    ]
    machine = made.machines["vps1"].model_copy(update={"samples": samples})
    site = SITE.model_copy(update={"max_connections": 200})
    made = made.model_copy(update={"machines": {"vps1": machine}, "site": site})
    found = {one.part: (one.mean, one.peak) for one in summarise(made).utilisation}
    assert list(found) == [
        "threads of Django",
        "processor of vps1",
        "connections of vps1",
        "disk of vps1",
    ]
    assert found["threads of Django"] == (0.5, 0.5)
    assert found["processor of vps1"] == (0.25, 0.5)  # of 2 cores
    assert found["connections of vps1"] == (0.05, 0.05)


def test_views_are_ranked_by_all_their_time() -> None:
    requests = [request(1, 0.1, view="home") for _ in range(30)]
    requests += [request(1, 1.0, view="search")] * 6
    requests += [request(1, 1.0, view="", path="/a/")]
    found = summarise(recording(requests=requests))
    assert [(one.name, one.requests) for one in found.views] == [
        ("search", 6),
        ("home", 30),
        ("/a/", 1),
    ]
    assert found.views[0].share == pytest.approx(0.6)


def test_without_visitors_there_is_nothing_to_tell() -> None:
    lines = summary_lines(summarise(recording()))
    assert lines[0].startswith("Nobody came")


def test_availability_is_not_rounded_up() -> None:
    failed = [request(1, status=502)]
    lines = summary_lines(summarise(recording(requests=[request(1)] * 40_000 + failed)))
    assert "AVAILABILITY   99.99% of 40001 requests" in lines


def test_utilisation_of_a_service_with_a_quota_is_of_that() -> None:
    made = recording(requests=[request(1)])
    samples = [
        Sample(t=BEGAN + at + 1, dt=1, services={"django": Service(cpu=0.12)}) for at in range(60)
    ]
    machine = made.machines["vps1"].model_copy(
        update={"samples": samples, "quotas": {"django": 0.3}}
    )
    made = made.model_copy(update={"machines": {"vps1": machine}})
    found = {one.part: one.mean for one in summarise(made).utilisation}
    assert found["quota of django on vps1"] == pytest.approx(0.4)
