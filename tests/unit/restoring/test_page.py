"""The report of the backups as a page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from espalier.restoring import page
from espalier.restoring.uploads import judged

from .test_uploads import FIRST, S3, SAMPLED

NOW = 1796040180.0  # 2026-11-30 12:03:00 UTC
SILENT = {"ok": False, "error": "no route", "colour": "red", "findings": []}
# As a machine answers that a version before 0.14's last has converged.
BEFORE: dict[str, Any] = {
    "ok": True,
    "part": "primary",
    "destination": "s3://a&b <c>",
    "findings": [{"colour": "amber", "sentence": "no room for <b>"}],
    "backups": [{"ended": NOW - 60, "size": 24_000_000, "stored": 3_000_000}],
    "archiving": {"archived": NOW - 20, "waiting": 0},
    "drill": {"ok": True, "ended": NOW, "rows": 7, "rto_seconds": 75.0},
    "drills": [],
    "next": "Tue 2026-12-01 02:30:00 UTC",
}
FRESH = {**BEFORE, "backups": [], "archiving": None, "drill": {}, "next": "", "next_drill": ""}


def drill(rto: float, ok: bool = True) -> dict[str, Any]:
    return {"ok": ok, "rto_seconds": rto, "age_seconds": 5.0, "bytes": 2e7} if ok else {"ok": ok}


def rendered(machines: dict[str, Any], copies: dict[str, Any] | None = None) -> str:
    """Return the page, which is well-formed, whatever is in it."""
    text = page.page("shop", NOW, "amber", machines, copies or {})
    body = text.split("</head>")[1].removesuffix("</html>")
    ElementTree.fromstring(body)
    return text


@pytest.mark.parametrize("answer", [BEFORE, FRESH, SILENT, {**BEFORE, "drills": [drill(1)] * 90}])
def test_page_of_whatever_a_machine_answers(answer: dict[str, Any]) -> None:
    text = rendered({"vps1": answer}, {"web1": judged(SAMPLED), "web2": SILENT})
    assert ("no room for &lt;b&gt;" in text) is answer["ok"]
    assert "Backups of shop" in text and "no route" in text
    # It is read without a network, and tells nobody that it is.
    assert "http" not in text.replace(SAMPLED["repository"], "")


def test_page_has_what_was_measured() -> None:
    last = {**BEFORE["drill"], "newest_commit": NOW, "age_seconds": 20.0, "compared": 3}
    answer = {**BEFORE, "drill": last, "next_drill": "Tue 2026-12-01 03:30:00 UTC"}
    answer["drills"] = [drill(10), drill(0, ok=False), drill(30)]
    text = rendered({"vps1": answer})
    for word in ("75 seconds", "was 20 seconds old", "3 of them compared", "03:30:00 UTC"):
        assert word in text
    assert text.count("<polyline") == 3 and "3 drills, 1 of them not proven" in text


def test_uploads_in_an_object_store_have_no_sample() -> None:
    text = rendered({}, {"web1": judged(S3), "web2": judged(FIRST)})
    assert "there is no copy, and so no sample of one" in text
    assert "the first copy of uploads is being made" in text


def test_chart_goes_from_the_lowest_to_the_highest() -> None:
    some = [drill(10), drill(0, ok=False), drill(30), drill(20)]
    recovery, age, size = page.charts(some)
    assert recovery["line"] == "0.0,60.0 400.0,0.0 600.0,30.0"
    assert recovery["failed"] == [200.0]
    assert [recovery[key] for key in ("lowest", "highest", "last")] == ["10", "30", "20"]
    # What does not change is in the middle.
    assert age["line"] == "0.0,30.0 400.0,30.0 600.0,30.0"
    assert (size["last"], size["unit"]) == ("20", "MB")
    assert page.charts([drill(10), drill(0, ok=False)]) == page.charts([]) == []
