"""Which backup is made, by whom, what is kept, and how far WAL has come."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import archiving, backup
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.repository import Backup

from .backups import (
    CONFIG,
    FIRST,
    SECOND,
    STARTED,
    THIRD,
    Programs,
    Systemd,
    here,
    info,
    made,
    missing,
)
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


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Systemd, of this test."""
    played = Systemd()
    monkeypatch.setattr(backup, "subprocess", played)
    return played


@pytest.mark.parametrize(
    ("state", "running"),
    [("active", True), ("activating", True), ("inactive", False), ("failed", False)],
)
def test_backup_is_being_made_while_its_unit_begins(
    systemd: Systemd, state: str, running: bool
) -> None:
    systemd.state = state
    assert backup.is_running() is running


def words(programs: Programs) -> list[str]:
    """Return what pgBackRest was asked for, without what it is always told."""
    calls = [call[3:] for call in programs.calls if call[0] == "pgbackrest"]
    looking = {"info", "repo-ls", "repo-get"}
    return [" ".join(call) for call in calls if not looking & set(call)]


def test_new_destination_is_prepared_and_the_first_backup_begins(
    programs: Programs, systemd: Systemd
) -> None:
    answers = [missing(1, "missing stanza path"), info()]
    programs.answers = {"info": answers}
    done = backup.begin(CONFIG)
    assert done == {"changed": True, "did": "prepared the destination, began the first backup"}
    assert (words(programs), systemd.calls) == (["stanza-create", "check"], STARTED)


def test_destination_that_has_backups_is_checked(programs: Programs, systemd: Systemd) -> None:
    programs.answers = {"info": info(FIRST)}
    assert backup.begin(CONFIG) == {"changed": False, "did": "nothing"}
    assert (words(programs), systemd.calls) == (["stanza-create", "check"], [])


def test_backup_begins_where_another_destination_had_its_turn(
    programs: Programs, systemd: Systemd
) -> None:
    programs.answers = {"info": info(FIRST, SECOND)}
    programs.archive(s000000010000000000000006=1, s000000010000000000000007=2)
    assert not backup.begin(CONFIG)["changed"]
    programs.archive(s00000001000000000000000A=3)
    assert backup.begin(CONFIG)["did"] == "began a backup, as WAL is missing since the last one"
    assert systemd.calls == STARTED


def test_gap_is_looked_for_from_the_newest_backup_on(programs: Programs) -> None:
    newest = made("20261130-093544F", 5, 6, "00000001000002000000000A", "200/A000050")
    programs.answers = {"info": info(newest)}
    for number in range(0x1F0, 0x201):
        programs.archive(**{f"s00000001{number:08X}0000000A": 5})
    assert not backup.has_gap(CONFIG, backup.repository.read(CONFIG))
    # One of them looks for timelines that have begun.
    assert len(programs.ran("repo-ls")) == 3


def test_first_backup_that_is_being_made_begins_once(programs: Programs, systemd: Systemd) -> None:
    systemd.state = "activating"
    programs.answers = {"info": info()}
    assert backup.begin(CONFIG)["did"] == "nothing"
    assert systemd.calls == []


def test_destination_is_told_of_another_version(programs: Programs, systemd: Systemd) -> None:
    programs.answers = {"info": info(FIRST)}
    done = backup.begin(here(Path("/"), version="17"))
    assert done == {"changed": True, "did": "told it of PostgreSQL 17"}
    # With another version, stanza-create fails: the info files do not match the database.
    assert words(programs) == ["stanza-upgrade", "check"]


def test_older_version_than_the_destination_has_is_told_nothing(programs: Programs) -> None:
    # A machine that was replaced came back.
    programs.answers = {"info": info(FIRST)}
    with pytest.raises(BackupError) as refused:
        backup.begin(here(Path("/"), version="9"))
    assert str(refused.value) == (
        "The destination has the backups of a PostgreSQL 15, and this one is 9: it was upgraded on "
        "another machine, or is another database. If this machine is the right one, give its "
        "backups another `path` in hosts.yml."
    )
    assert words(programs) == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("stanza-create", "The destination cannot be prepared: The destination is full."),
        ("check", "WAL does not come to the destination: The destination is full."),
    ],
)
def test_destination_that_refuses(
    programs: Programs, systemd: Systemd, command: str, sentence: str
) -> None:
    programs.answers = {"info": info(), command: (101, "", "ERROR: [101]: [507] No")}
    with pytest.raises(BackupError) as failed:
        backup.begin(CONFIG)
    assert (str(failed.value), systemd.calls) == (sentence, [])


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


STATISTICS = "\nSELECT coalesce(extract(epoch FROM last_archived_time), 0)"


def test_wal_that_waits_is_counted(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = tmp_path / "main/pg_wal/archive_status"
    status.mkdir(parents=True)
    programs.answers = {STATISTICS: "1796031600.25\x1f0\x1f000000010000000000000006\x1fon\n"}
    machine = here(tmp_path, waiting_wal=5 * 10**9)
    nothing = {"is_on": True, "archived": 1796031600.25, "failed": 0.0, "waiting": 0}
    nothing |= {"bound": 5 * 10**9, "oldest": 0, "dropped": 0}
    assert vars(archiving.look(machine)) == nothing
    for name, since in (("07.ready", 500.0), ("08.ready", 400.0), ("06.done", 100.0)):
        file = status / f"0000000100000000000000{name}"
        file.touch()
        os.utime(file, (since, since))
    (tmp_path / "dropped").touch()
    os.utime(tmp_path / "dropped", (450, 450))
    found = archiving.look(machine)
    assert (found.waiting, found.oldest, found.dropped) == (2 * 16777216, 400.0, 450.0)
    monkeypatch.setattr(archiving, "free", lambda path: 77)
    programs.answers = {STATISTICS: "0\x1f3\x1f\x1foff\n"}
    found = archiving.look(here(tmp_path))
    assert (found.bound, found.is_on, found.failed) == (77, False, 3.0)


def test_segment_that_has_just_been_archived_waits_since_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving.time, "time", lambda: 5.0)
    assert archiving._written(tmp_path / "07.ready") == 5.0


@pytest.mark.parametrize(
    ("last", "waits"),
    [
        ("000000010000000000000006", True),
        ("000000010000000000000007", False),
        ("000000010000000100000000", False),
        ("000000020000000000000008", False),
        ("", True),
    ],
)
def test_segment_is_waited_for_until_it_is_archived(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, last: str, waits: bool
) -> None:
    programs.answers = {
        "SELECT pg_walfile_name": "000000010000000000000007\n0/7000000\n",
        "SELECT coalesce(max(last_archived_wal)": f"{last}\n",
    }
    clock = iter(range(100))
    monkeypatch.setattr(archiving.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(archiving.time, "sleep", lambda seconds: None)
    assert archiving.finish_segment(wait=5) == "000000010000000000000007"
    asked = [call for call in programs.calls if "last_archived_wal" in call[-1]]
    assert len(asked) == (4 if waits else 1)


def test_run_of_the_site_removes_what_a_restore_that_was_killed_has_left(
    tmp_path: Path, programs: Programs, systemd: Systemd
) -> None:
    programs.answers = {"info": info(FIRST)}
    (tmp_path / "main.restoring").mkdir()
    assert backup.begin(here(tmp_path)) == {
        "changed": True,
        "did": "removed the half of a backup that a restore which was cut off has left",
    }
    assert not (tmp_path / "main.restoring").exists()
