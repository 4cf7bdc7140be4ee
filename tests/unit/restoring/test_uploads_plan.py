"""What a restore says that it will do with the uploads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from espalier import paths
from espalier.inventory.site import Site, SiteError
from espalier.restoring import uploads_plan

PLAN: dict[str, Any] = {
    "ok": True,
    "files": 1200,
    "fetched": 2,
    "fetched_bytes": 9_000_000,
    "free": 20_000_000_000,
    "enough": True,
    "aside": 3,
    "before": {"id": "a1b2c3d4", "time": "2026-11-30T12:00:00+00:00"},
    "after": None,
    "behind": 0,
    "ahead": 0,
    "uncertain": 0,
}


pytestmark = pytest.mark.usefixtures("utc")


class Machine:
    """The machine with the uploads."""

    def __init__(self, status: int, out: str, errors: str = "") -> None:
        """Have it answer so."""
        self.answer = (status, out, errors)

    def run(self, machine: str, words: list[str]) -> tuple[int, str, str]:
        """Answer."""
        assert (machine, words[:2]) == ("web1", ["uploads-backup", "restore"])
        assert "--plan" in words
        return self.answer


def said(machine: Machine, **project: Any) -> list[str]:
    site = Site(Path("/i"), "shop", {"services": {"restic": ["web1"]}}, project, {}, {})
    return list(uploads_plan.plan(machine, site, "latest"))  # type: ignore[arg-type]


COUNTS = (
    "  uploads 1200 files on web1: 2 to bring back (9 MB of the 20.0 GB that are free), 3 on the "
    "disk to set aside"
)
BY = "          by the copies of 2026-11-30 12:00:00 UTC"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, [BY]),
        (
            {"behind": 180},
            [
                BY,
                "          the newest is 3 minutes older than the moment: an upload that came "
                "after it is not in it",
            ],
        ),
        (
            {"before": None, "after": PLAN["before"], "ahead": 3 * 86400},
            [
                BY,
                "          the oldest is 3 days younger than the moment: what was replaced or "
                "deleted before it is not in it",
            ],
        ),
        (
            {"after": {"id": "b", "time": "2026-11-30T12:05:00+00:00"}, "uncertain": 4},
            [
                f"{BY} and 2026-11-30 12:05:00 UTC",
                "          written again between the two: 4 files, each to be as the first has it",
            ],
        ),
    ],
)
def test_copies_and_what_they_lack_are_told(changes: dict[str, Any], lines: list[str]) -> None:
    assert said(Machine(0, json.dumps({**PLAN, **changes}))) == [COUNTS, *lines]


def test_uploads_in_an_object_store_are_left_to_its_versions() -> None:
    nobody = Machine(255, "")
    assert said(nobody, media_s3={"bucket": "photos"}) == [
        "  uploads stay as they are in the bucket photos: its versions have what was deleted",
        "          or overwritten since then, and you bring that back:",
        f"          {paths.DOCS / 'fire.md'}",
    ]


def test_new_machine_knows_of_none() -> None:
    assert said(Machine(127, "", "sh: uploads-backup: not found")) == [
        "  uploads web1 is new: what comes back is known when it is prepared"
    ]


def test_machine_that_does_not_answer() -> None:
    with pytest.raises(SiteError, match=r"^web1: ssh: no route$"):
        said(Machine(255, "", "ssh: no route"))
