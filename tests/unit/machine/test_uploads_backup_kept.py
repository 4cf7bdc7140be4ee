"""What a file was comes back as long as it is promised, by the restic of this machine."""

from __future__ import annotations

import datetime
import shutil
import time
from pathlib import Path

import pytest

from espalier_machine.uploads_backup import config
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import TAG

from .uploads import DAY, Run, content, upload

pytestmark = pytest.mark.skipif(
    not shutil.which("restic"), reason="restic is not installed: apt-get install restic"
)


def saved(media: Path, age: float) -> None:
    """A snapshot as the minute that long ago would have made it."""
    then = datetime.datetime.fromtimestamp(time.time() - age)
    Restic(config.load()).run(
        *("backup", "--tag", TAG, "--host", "shop", "--time", f"{then:%Y-%m-%d %H:%M:%S}"),
        str(media),
    )


@pytest.mark.parametrize("days", [1.5, 5, 13.5])
def test_a_photo_that_was_there_for_six_hours_comes_back(
    media: Path, run: Run, days: float
) -> None:
    at = days * DAY
    upload(media, "photo.jpg", "first", age=at)
    upload(media, "gone.jpg", "gone", age=at)
    saved(media, at)
    upload(media, "photo.jpg", "second", age=at - 6 * 3600)
    (media / "gone.jpg").unlink()
    saved(media, at - 6 * 3600)
    saved(media, at - 7 * 3600)
    run("run")
    assert run("forget")["snapshots"] == 4
    moment = datetime.datetime.fromtimestamp(time.time() - at + 3600, datetime.UTC)
    run("restore", "--to", moment.isoformat())
    assert content(media) == {"gone.jpg": "gone", "photo.jpg": "first"}


def test_snapshots_end_two_days_after_the_rows(media: Path, run: Run) -> None:
    for age in (20, 16.5, 15.5, 0):
        upload(media, f"{age}.jpg", "x", age=age * DAY)
        saved(media, age * DAY)
    assert run("forget")["snapshots"] == 2


def test_a_plan_says_how_far_the_snapshots_are_from_the_moment(media: Path, run: Run) -> None:
    def plan(age: float) -> tuple[int, int, int]:
        moment = datetime.datetime.fromtimestamp(time.time() - age, datetime.UTC)
        found = run("restore", "--to", moment.isoformat(), "--plan")
        return round(found["behind"] / 60), round(found["ahead"] / 60), found["aside"]

    upload(media, "a.txt", "a", age=DAY)
    saved(media, 3600)
    upload(media, "a.txt", "another", age=0)
    # What came since then is on the disk.
    assert plan(1800) == (0, 0, 1)
    assert plan(7200) == (0, 60, 1)
    (media / "a.txt").unlink()
    assert plan(1800) == (30, 0, 0)
