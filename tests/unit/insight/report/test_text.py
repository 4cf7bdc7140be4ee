"""The report on a terminal, and what is said of growing traffic."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from espalier.insight.recording import Load, Step
from espalier.insight.report import text
from espalier.insight.report.as_json import as_json
from espalier.insight.report.given import Given
from espalier.insight.report.growth import growth
from espalier.insight.trend import Trend
from tests.unit.insight.evidence_builder import priced

from .examples import PARTS, evidence, idle, limited, step, unknown


def test_tables_of_a_limit() -> None:
    found = dict(text.tables(limited()))
    assert list(found) == [
        "The four words",
        "How much each part can take, requests/s",
        "Where the time of a mean request to Django goes",
        "Under a growing load",
        "Views that take 80% of the time",
        "Queries that take 80% of the time",
        "What changes have brought",
    ]
    assert found["The four words"][1] == [
        "Throughput",
        "2,340",
        "requests per minute",
        "39 requests/s",
    ]
    assert [row[0] for row in found["Views that take 80% of the time"]] == [
        "garden:search",
        "garden:tree",
        "garden:list",
    ]
    assert found["Under a growing load"][-1] == ["49", "41", "1.9 s", "did not pass"]


def test_tables_without_load_and_timing() -> None:
    assert [title for title, _ in text.tables(unknown())] == ["The four words"]


def test_costs_of_more_machines_are_of_the_whole_site() -> None:
    given = replace(limited(), evidence=priced(web1=10.0, db1=20.0))
    rows = dict(text.tables(given))["What more machines for Django would cost"]
    assert [list(row) for row in rows[1:3]] == [
        ["1", "40", "30.00 EUR", "12.50 EUR", "processor of web1"],
        ["2", "80", "40.00 EUR", "8.33 EUR", "processor of web1"],
    ]
    assert as_json(given)["costs"][1]["cost"] == 40.0


def test_lines_are_aligned_below_their_title() -> None:
    assert text.lines("Parts", [["a", "1"], ["long", "2"]]) == "Parts\n  a     1\n  long  2"


def test_heading() -> None:
    assert text.heading(idle()) == (
        "orchard, production. Measured on 1 December 2026, 04:15 UTC, for 10 minutes, "
        "while real visitors came."
    )


def production(**more: Any) -> Given:
    """Return production at some rate, without a load and a trend."""
    return replace(idle(), evidence=evidence(load=None, **more), trend=None)


def test_growth_says_at_which_multiple_each_part_is_full() -> None:
    found = growth(production(rate=20.5))
    assert found[0] == (
        "At 2.0 times today's traffic, 41 requests/s, this is full: "
        "application's processor on vps1."
    )
    # The connections do not grow with the rate: threads have one each, and there are few.
    assert [one.split("full: ")[1] for one in found[1:]] == [
        "threads on vps1.",
        "worker processes on vps1.",
        "PostgreSQL on vps1.",
    ]


def test_growth_of_a_part_that_is_full_already() -> None:
    assert growth(production(rate=41.0, parts=PARTS[:1])) == [
        "With today's traffic, 41 requests/s, this is full: application's processor on vps1."
    ]


def test_growth_without_an_end_in_sight_and_without_parts() -> None:
    assert growth(production(rate=0.5)) == ["No part is full at 20 times today's traffic."]
    assert growth(unknown()) == []


@pytest.mark.parametrize(
    ("per_day", "reached", "end"),
    [
        (0.5, date(2027, 3, 14), "the first part is full on 14 March 2027."),
        (0.001, None, "nothing is full within ten years."),
        (-0.5, None, "the busiest minute does not grow."),
    ],
)
def test_growth_tells_the_trend(per_day: float, reached: date | None, end: str) -> None:
    peaks = {date(2026, 12, 1): 9.0, date(2026, 12, 2): 9.5, date(2026, 12, 3): 10.0}
    given = replace(production(rate=0.5), trend=Trend(peaks, per_day, reached))
    assert growth(given)[-1].endswith(end)


def test_growth_of_a_load_is_the_law_of_its_curve() -> None:
    # One request takes 0.1 s: ten a second of each worker, less a tenth that waits.
    steps = [law_step(requests) for requests in (1, 2, 3, 4, 6, 8)]
    given = limited()
    load = Load(profile="", steps=steps, knee=steps[-1].offered)
    recorded = given.recording.model_copy(update={"load": load})
    (found,) = growth(replace(given, recording=recorded))
    assert found == (
        "By the universal scalability law, 10% of the work waits for what only one request at a "
        "time can have: by the curve alone, the end is at 100 requests/s."
    )


def law_step(at_a_time: int) -> Step:
    """Return a step with so many requests at a time, of a site with a contention of 10%."""
    rate = 10 * at_a_time / (1 + 0.1 * (at_a_time - 1))
    return step(rate, rate, 3 * at_a_time / rate)


def test_plain_data_has_what_the_page_has() -> None:
    found = json.loads(json.dumps(as_json(limited()), allow_nan=False))
    assert found["advice"]["change"]["remedy"] == "app_servers"
    assert found["parts"][0]["bound"]["value"] == 41.0
    assert found["throughput"]["sustained"] == 39.0
    assert found["availability"] == 0.9996
    assert found["views"][0]["name"] == "garden:search"
    assert found["proofs"][0]["measured"] == {"low": 1.27, "value": 1.32, "high": 1.38}


def test_plain_data_of_what_is_not_known_is_null() -> None:
    found = json.loads(json.dumps(as_json(unknown()), allow_nan=False))
    assert [found[key] for key in ("response_time", "availability", "split", "load")] == [None] * 4
