"""The trend of the drills that a machine remembers."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.restoring import drills


def well(seconds: float, size: int = 24_000_000) -> dict[str, Any]:
    return {"ok": True, "rto_seconds": seconds, "bytes": size}


FAILED = {"ok": False, "seconds": 3.0}


@pytest.mark.parametrize(
    ("some", "rows"),
    [
        ([], []),
        ([well(1)], []),
        ([well(10), well(20)], [["trend", "2 drills", "back after 15 seconds, 24 MB"]]),
        # One that was slow once is no trend.
        (
            [well(10), well(900), well(11)],
            [["trend", "3 drills", "back after 11 seconds, 24 MB"]],
        ),
        (
            [well(10), FAILED],
            [["trend", "2 drills", "back after 10 seconds, 24 MB, 1 not proven"]],
        ),
        ([FAILED, FAILED], [["trend", "2 drills", "2 not proven"]]),
        (
            [*[well(10, 10**7)] * 60, *[well(20, 2 * 10**7)] * 23, *[well(30, 3 * 10**7)] * 7],
            [
                ["trend", "7 drills", "back after 30 seconds, 30 MB"],
                ["", "30 drills", "back after 20 seconds, 20 MB"],
                ["", "90 drills", "back after 10 seconds, 10 MB"],
            ],
        ),
    ],
)
def test_trend_is_the_median(some: list[dict[str, Any]], rows: list[list[str]]) -> None:
    assert list(drills.trend(some)) == rows


def test_drill_of_a_version_before_has_fewer_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "shown", lambda seconds: f"at {seconds:.0f}")
    before = {"ok": True, "ended": 9.0, "rows": 7, "rto_seconds": 1.0}
    assert drills.row(before) == ["drill", "at 9", "7 rows, back after 1 second"]
    since = {**before, "compared": 2, "newest_commit": 3.0, "age_seconds": 61.0}
    said = "7 rows, 2 tables as on the site, back after 1 second, the newest 61 seconds old"
    assert drills.row(since) == ["drill", "at 9", said]
    # Nobody has written anything lately.
    assert "old" not in drills.row({**since, "newest_commit": 0, "age_seconds": 0})[2]
    assert drills.row({"ok": False}) == drills.row({}) == []
