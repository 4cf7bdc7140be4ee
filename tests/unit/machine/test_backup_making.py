"""Which backup is made, by whom, and what is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import backup
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.repository import Backup

from .backups import CONFIG, FIRST, SECOND, THIRD, Programs, here, info, words
from .backups import backup as one

HOUR, DAY = 3600.0, 86400.0
NOW = 100 * DAY


@pytest.mark.parametrize(
    ("backups", "dropped", "kind"),
    [
        ([], 0, "full"),
        ([one("full", NOW - HOUR)], 0, "diff"),
        ([one("full", NOW - DAY), one("diff", NOW - HOUR)], 0, "diff"),
        # A week, and not an hour more: one that began late does not move the next one.
        ([one("full", NOW - 6.5 * DAY + 1), one("diff", NOW - HOUR)], 0, "diff"),
        ([one("full", NOW - 6.5 * DAY), one("diff", NOW - HOUR)], 0, "full"),
        ([one("full", NOW - 20 * DAY), one("full", NOW - DAY)], 0, "diff"),
        # What a differential one builds on is gone.
        ([one("diff", NOW - HOUR)], 0, "full"),
        # WAL is missing: only a full one mends that.
        ([one("full", NOW - HOUR)], NOW - 60, "full"),
    ],
)
def test_kind_that_is_due(backups: list[Backup], dropped: float, kind: str) -> None:
    assert backup.due(backups, NOW, dropped) == kind


COUNT = ["--repo1-retention-full-type=count", "--repo1-retention-full=2"]
TIME = ["--repo1-retention-full-type=time", "--repo1-retention-full=14"]


def aged(*days: float) -> list[Backup]:
    """Return full backups of such an age."""
    return [one("full", NOW - age * DAY) for age in days]


@pytest.mark.parametrize(
    ("backups", "full", "expected"),
    [
        ([], 2, COUNT),
        (aged(1), 2, COUNT),
        # Both are needed for fourteen days, and there are two.
        (aged(15, 1), 2, TIME),
        (aged(8, 1), 2, TIME),
        (aged(29, 22, 15, 8, 1), 2, TIME),
        # By days, the last of them alone would be left.
        (aged(40, 30, 20), 2, COUNT),
        (aged(40, 30, 14), 2, TIME),
        (aged(40, 30, 14.01), 2, COUNT),
        (aged(40, 30, 20), 1, TIME),
        # Two are of these days, and one goes before them: more are wanted.
        (aged(29, 22, 15, 8, 1), 4, ["--repo1-retention-full-type=count"]),
        # A differential one is none of them.
        ([*aged(40, 30), one("diff", NOW - DAY)], 2, COUNT),
    ],
)
def test_what_is_kept_is_what_days_want_or_the_count(
    backups: list[Backup], full: int, expected: list[str]
) -> None:
    assert backup.expiry(backups, NOW, 14, full)[: len(expected)] == expected


def test_options_of_what_is_kept() -> None:
    assert backup.expiry(aged(9, 2), NOW, 7, 5) == [
        "--repo1-retention-full-type=count",
        "--repo1-retention-full=5",
    ]
    assert backup.expiry(aged(9, 2), NOW, 7, 1) == [
        "--repo1-retention-full-type=time",
        "--repo1-retention-full=7",
    ]


OVERTAKEN = (
    "The destination has a newer history (timeline 3) than this database (timeline 2): the site "
    "was restored on another machine, and this one must not add to it. If this machine is the "
    "right one, give its backups another `path` in hosts.yml."
)


@pytest.mark.parametrize(
    ("mine", "newest", "why"),
    [(0, 3, ""), (3, 3, ""), (4, 3, ""), (1, 1, ""), (2, 3, OVERTAKEN)],
)
def test_database_that_is_not_the_site_s_any_more(mine: int, newest: int, why: str) -> None:
    assert backup.overtaken(mine, newest) == why


def now(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have it be so many seconds after the newest backup."""
    monkeypatch.setattr(backup.time, "time", lambda: SECOND["timestamp"]["stop"] + seconds)


def remembered(folder: Path) -> dict[str, Any]:
    """Return what is remembered of the last backup."""
    found: dict[str, Any] = json.loads((folder / "backup.json").read_text())
    return found


def test_backup_is_made_and_old_ones_go(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, DAY)
    programs.answers = {"info": info(FIRST, SECOND), "SELECT timeline_id": "1\n"}
    assert backup.make(CONFIG) == {"made": SECOND["label"], "kind": "diff"}
    assert words(programs) == [
        "--type=diff backup",
        "--repo1-retention-full-type=count --repo1-retention-full=2 expire",
    ]
    assert remembered(tmp_path) == {"made": SECOND["label"], "kind": "diff", "seconds": 0.0}
    # Before it, and after it.
    assert len(programs.ran("info")) == 2


@pytest.mark.parametrize(
    ("hours", "dropped", "made"), [(19.9, False, False), (20, False, True), (1, True, True)]
)
def test_primary_stands_in_where_the_replica_has_made_none(
    tmp_path: Path,
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
    hours: float,
    dropped: bool,
    made: bool,
) -> None:
    now(monkeypatch, hours * HOUR)
    programs.answers = {"info": info(FIRST, SECOND), "SELECT timeline_id": "1\n"}
    if dropped:
        (tmp_path / "dropped").touch()
    kind = "full" if dropped else "diff"
    expected = {"made": SECOND["label"], "kind": kind} if made else {"made": ""}
    assert backup.make(here(tmp_path, falls_back=True)) == expected
    assert (f"--type={kind} backup" in words(programs)) is made


def test_primary_that_stands_in_makes_the_first_one(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, HOUR)
    empty, after = info(), info(FIRST)
    programs.answers = {"info": [empty, after], "SELECT timeline_id": "1\n"}
    assert backup.make(here(tmp_path, falls_back=True))["kind"] == "full"


def test_wal_that_was_dropped_is_missed_until_a_backup_that_began_later(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, HOUR)
    began = backup.time.time()
    programs.answers = {"info": info(FIRST, SECOND), "SELECT timeline_id": "1\n"}
    mark = tmp_path / "dropped"
    for moment, stays in ((began - 5, False), (began, False), (began + 1, True)):
        mark.touch()
        os.utime(mark, (moment, moment))
        assert backup.make(CONFIG)["kind"] == "full"
        assert mark.exists() is stays


def test_backup_that_fails_is_remembered_until_one_is_made(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, DAY)
    refused = (49, "", "ERROR: [049]: unable to connect to 'h'")
    known = {"info": info(FIRST, SECOND), "SELECT timeline_id": "1\n"}
    programs.answers = {**known, "backup": refused}
    (tmp_path / "dropped").touch()
    with pytest.raises(BackupError, match="The backup failed: The destination does not"):
        backup.make(CONFIG)
    assert remembered(tmp_path) == {
        "failed": SECOND["timestamp"]["stop"] + DAY,
        "error": "The backup failed: The destination does not answer.",
    }
    assert (tmp_path / "dropped").exists()
    assert "expire" not in " ".join(words(programs))
    programs.answers = known
    backup.make(CONFIG)
    assert "error" not in remembered(tmp_path)


def test_keeper_asks_the_primary_where_no_replica_answers(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, DAY)
    programs.answers = {"info": info(FIRST, SECOND)}
    programs.answers["backup"] = [(56, "", "ERROR: [056]: unable to find standby"), (0, "", "")]
    assert backup.make(here(tmp_path, part="repository"))["kind"] == "diff"
    assert words(programs)[:2] == ["--type=diff backup", "--no-backup-standby --type=diff backup"]
    # It has no database whose history could be another one.
    assert programs.ran("psql") == []


def test_replica_that_became_a_primary_makes_none(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, DAY)
    programs.answers = {"info": info(FIRST, SECOND), "SELECT timeline_id": "1\n"}
    programs.answers["SELECT pg_is_in_recovery()"] = "f\n"
    with pytest.raises(BackupError) as refused:
        backup.make(here(tmp_path, part="replica"))
    assert str(refused.value) == ("This machine's PostgreSQL is no replica: run `espalier site`.")
    assert words(programs) == []
    programs.answers["SELECT pg_is_in_recovery()"] = "t\n"
    assert backup.make(here(tmp_path, part="replica"))["kind"] == "diff"


def test_database_that_was_overtaken_adds_nothing(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, DAY)
    found = info(FIRST, SECOND, THIRD)
    programs.answers = {"info": found, "SELECT timeline_id": "1\n"}
    programs.answers["archive/shop/15-1/00000002.history"] = "1\t0/80000A8\tbefore\n"
    programs.folders["archive/shop/15-1"] = {"00000002.history": 1796031549}
    with pytest.raises(BackupError, match=r"newer history \(timeline 2\) than this database"):
        backup.make(CONFIG)
    assert words(programs) == []
