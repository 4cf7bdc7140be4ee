"""The report on a terminal, and what is said of growing traffic."""

from __future__ import annotations

import json

from espalier.insight.report import text
from espalier.insight.report.as_json import as_json
from espalier.insight.report.growth import growth

from .examples import PARTS, evidence, idle, limited, unknown


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
        "2,340 requests per minute",
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


def test_lines_are_aligned_below_their_title() -> None:
    assert text.lines("Parts", [["a", "1"], ["long", "2"]]) == "Parts\n  a     1\n  long  2"


def test_heading() -> None:
    assert text.heading(idle()) == (
        "orchard, production. Measured on 1 December 2026, 04:15 UTC, for 10 minutes, "
        "while real visitors came."
    )


def test_growth_says_at_which_multiple_each_part_is_full() -> None:
    found = growth(evidence(load=None, rate=20.5))
    assert found[0] == (
        "At 2.0 times today's traffic, 41 requests/s, this is full: "
        "application's processor on vps1."
    )
    assert len(found) == 4


def test_growth_of_a_part_that_is_full_already() -> None:
    assert growth(evidence(load=None, rate=41.0, parts=PARTS[:1])) == [
        "With today's traffic, 41 requests/s, this is full: application's processor on vps1."
    ]


def test_growth_without_an_end_in_sight_and_of_a_load() -> None:
    assert growth(evidence(load=None, rate=0.5)) == ["No part is full at 20 times today's traffic."]
    assert growth(evidence()) == []


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
