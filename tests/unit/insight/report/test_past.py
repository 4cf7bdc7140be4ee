"""Proofs as the ledger has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from espalier.insight.evidence import Interval
from espalier.insight.report.past import median_error, proofs
from espalier.insight.report.sentences import record

ENTRY: dict[str, Any] = {
    "made": "2026-11-22T10:00:00Z",
    "environment": "production",
    "remedy": "workers",
    "place": "worker processes",
    "outcome": "confirmed",
    "measure": "throughput",
    "values": [14.0, 28.0],
    "predicted": [1.5, 1.6, 2.1],
    "measured": [1.9, 2.0, 2.1],
    "at_least": False,
}


def test_entry_of_the_ledger() -> None:
    (found,) = proofs([ENTRY], "production")
    assert found.change == "workers for worker processes, 2026-11-22"
    assert (found.before, found.after, found.measured) == (14.0, 28.0, Interval(1.9, 2.0, 2.1))
    assert found.error == pytest.approx(0.25)
    assert found.is_covered
    assert found.shown(found.after) == "28 requests/s"


def test_newest_is_first_and_other_environments_are_left_out() -> None:
    other = {**ENTRY, "environment": "staging"}
    newer = {**ENTRY, "made": "2026-11-30T10:00:00Z", "remedy": ""}
    assert [one.change for one in proofs([ENTRY, other, newer], "production")] == [
        "a change, 2026-11-30",
        "workers for worker processes, 2026-11-22",
    ]


@pytest.mark.parametrize(
    "entry", [{}, {**ENTRY, "measured": None}, {**ENTRY, "values": "x"}, {**ENTRY, "values": [1]}]
)
def test_what_proves_nothing_is_left_out(entry: dict[str, Any]) -> None:
    assert proofs([entry], "production") == []


def test_seconds_are_shown_as_seconds() -> None:
    entry = {**ENTRY, "measure": "response time", "values": [0.2, 0.1], "predicted": None}
    (found,) = proofs([entry], "production")
    assert found.shown(found.before) == "200 ms"
    assert found.error is None and not found.is_covered


def test_a_gain_of_which_only_the_least_is_known_is_no_error() -> None:
    (found,) = proofs([{**ENTRY, "at_least": True}], "production")
    assert found.error is None
    assert found.gain.startswith("at least ")


def test_record() -> None:
    (one,) = proofs([ENTRY], "production")
    other = replace(one, measured=Interval(2.0, 2.16, 2.3))
    assert median_error([one, other]) == pytest.approx(0.3)
    assert record([one, other]) == (
        "Of 2 predictions, 1 had the gain within the interval; the median error is 30%."
    )
    assert record([]) == ""
