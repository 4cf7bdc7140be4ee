"""What a machine is asked for the state of its backups, and what it remembers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.common import system
from espalier_machine.database_backup import backup, config, look, state, status
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError

from .backups import CONFIG, FIRST, SECOND, Programs, here, info, missing

NOW = 8_640_000.0
WATCH, BACKUP, DRILL = (
    "espalier-backup-watch.timer",
    "espalier-backup.timer",
    "espalier-drill.timer",
)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a timer, and without a backup under way."""
    monkeypatch.setattr(system, "is_active", lambda unit: False)
    monkeypatch.setattr(backup, "is_running", lambda: False)
    done = subprocess.CompletedProcess([], 0, "Tue 2026-12-01 02:30:00 UTC\n", "")
    monkeypatch.setattr(system, "run", lambda *argv, timeout=None: done)


THERE = {"at": 0.0, "unreadable": "", "info": info(FIRST, SECOND), "skew": None, "overtaken": ""}


@pytest.mark.parametrize(
    ("part", "makes", "falls_back", "drills", "timers", "drilled"),
    [
        ("primary", True, False, True, [WATCH, BACKUP, DRILL], True),
        ("primary", True, False, False, [WATCH, BACKUP], True),
        ("primary", True, True, True, [WATCH, BACKUP], False),
        ("replica", True, False, True, [WATCH, BACKUP, DRILL], True),
        ("replica", False, False, True, [WATCH], False),
        ("repository", True, False, True, [WATCH, BACKUP, DRILL], True),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_each_part_has_its_own_timers(
    tmp_path: Path,
    programs: Programs,
    part: str,
    makes: bool,
    falls_back: bool,
    drills: bool,
    timers: list[str],
    drilled: bool,
) -> None:
    programs.answers = {"psql": "1796031600\x1f0\x1f\x1fon\n"}
    (tmp_path / "main/pg_wal").mkdir(parents=True)
    machine = here(tmp_path, part=part, makes_backups=makes, falls_back=falls_back, drill=drills)
    state.save("drill", {"ok": True, "ended": 9e9})
    state.save("drills", {"drills": [{"ok": True}]})
    state.save("restored", {"aside": "/var/lib/postgresql/15/replaced"})
    found = status.status(machine, THERE)
    told = [one["sentence"] for one in found["findings"]]
    assert [one.split()[0] for one in told if "does not run" in one] == timers
    assert (found["drill"] != {}) is (found["drills"] != []) is drilled
    assert (found["archiving"] is None) is (part != "primary")
    assert found["next"] == ("Tue 2026-12-01 02:30:00 UTC" if makes else "")
    assert found["next_drill"] == ("Tue 2026-12-01 02:30:00 UTC" if DRILL in timers else "")
    assert [one["label"] for one in found["backups"]] == [FIRST["label"], SECOND["label"]]
    assert found["restored"] == {"aside": "/var/lib/postgresql/15/replaced"}
    assert (found["part"], found["colour"]) == (part, "red")


@pytest.mark.usefixtures("quiet")
def test_primary_that_counts_its_rows_for_a_drill_elsewhere_has_a_timer_for_it(
    tmp_path: Path, programs: Programs
) -> None:
    programs.answers = {"psql": (2, "", "")}
    machine = here(tmp_path, makes_backups=False, counts_rows=True)
    told = [one["sentence"] for one in status.status(machine, THERE)["findings"]]
    assert any(one.startswith("espalier-row-count.timer does not run") for one in told)


@pytest.mark.usefixtures("quiet")
def test_primary_that_does_not_answer_is_a_finding(tmp_path: Path, programs: Programs) -> None:
    programs.answers = {"psql": (2, "", "psql: error: no such file\n")}
    found = status.status(here(tmp_path), THERE)
    assert found["findings"][0] == {
        "colour": "red",
        "sentence": "PostgreSQL does not answer as it should: psql: error: no such file",
    }
    assert found["archiving"] is None


@pytest.mark.parametrize("makes", [True, False])
@pytest.mark.usefixtures("quiet")
def test_damage_is_a_finding_of_the_machine_that_looks_for_it(
    tmp_path: Path, programs: Programs, makes: bool
) -> None:
    state.save("backup", {"made": "x"})
    state.save("verify", {"failed": 5.0, "error": "The repository is damaged (a)."})
    machine = here(tmp_path, part="replica", makes_backups=makes)
    told = [one["sentence"] for one in status.status(machine, THERE)["findings"]]
    sentence = "the last check of all backups failed: The repository is damaged (a)."
    assert (sentence in told) is makes


@pytest.mark.usefixtures("quiet")
def test_backup_that_failed_is_a_finding_until_one_is_made(
    tmp_path: Path, programs: Programs
) -> None:
    machine = here(tmp_path, part="replica")
    for made, told in (({"error": "The backup failed: no"}, True), ({"made": "x"}, False)):
        state.save("backup", made)
        sentences = [one["sentence"] for one in status.status(machine, THERE)["findings"]]
        assert ("the last backup failed: The backup failed: no" in sentences) is told


@pytest.mark.usefixtures("quiet")
def test_gap_says_when_its_backup_is_tried_again(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status.time, "time", lambda: NOW)
    state.save("mending", {"tried": NOW - 600})
    state.save("backup", {"failed": NOW - 300, "error": "The backup failed: no"})
    found = status.status(here(tmp_path, part="replica"), {**THERE, "gap": True})
    assert {
        "colour": "red",
        "sentence": "WAL is missing since the newest backup: a new one could not be made, and is "
        "tried again at 1970-04-11 00:55 UTC",
    } in found["findings"]


NEWEST = "000000010000000000000006"
ARCHIVER = "SELECT last_archived_wal, extract(epoch"


@pytest.mark.parametrize(
    ("part", "name", "skew"),
    [
        ("primary", NEWEST, 3.5),
        ("replica", NEWEST, None),
        # Nothing has come yet, or a history, or the file is not there any more.
        ("primary", "", None),
        ("primary", "00000002.history", None),
        ("primary", "000000010000000000000009", None),
    ],
)
def test_clock_of_the_destination_is_seen_by_a_file_that_came_there(
    tmp_path: Path, programs: Programs, part: str, name: str, skew: float | None
) -> None:
    programs.answers = {"info": info(FIRST, SECOND), ARCHIVER: f"{name}\x1f1796031347.5\n"}
    programs.answers["SELECT timeline_id"] = "1\n"
    programs.archive(**{f"s{NEWEST}": 1796031351})
    found = look.fresh(here(tmp_path, part=part))
    assert (found["skew"], found["unreadable"], found["overtaken"]) == (skew, "", "")
    assert state.load("destination") == found
    # Each request may have to be paid for.
    assert len(programs.ran("info")) == 1


def test_look_that_fails_says_why(tmp_path: Path, programs: Programs) -> None:
    programs.answers = {"info": missing(1, "missing stanza path")}
    found = look.fresh(CONFIG)
    assert found["unreadable"] == (
        "The backups cannot be read: The destination has no backups of this site any more: "
        "somebody has emptied it."
    )
    assert found["info"] == {}
    with pytest.raises(BackupError, match="somebody has emptied it"):
        look.look(CONFIG)


def test_look_sees_a_database_that_was_overtaken(tmp_path: Path, programs: Programs) -> None:
    programs.answers = {"info": info(FIRST, newest="000000020000000000000008")}
    programs.answers |= {ARCHIVER: "\x1f\n", "SELECT timeline_id": "1\n"}
    programs.answers["archive/shop/15-1/00000002.history"] = "1\t0/80000A8\tbefore\n"
    programs.folders["archive/shop/15-1"] = {"00000002.history": 1796031549}
    assert look.fresh(CONFIG)["overtaken"].startswith(
        "The destination has a newer history (timeline 2) than this database (timeline 1)"
    )
    # What pushes WAL sees it by this, until the database is the site's again.
    mark = tmp_path / "overtaken"
    assert mark.exists()
    # It may be root's: it is not written again by who looks next.
    os.utime(mark, (1000, 1000))
    assert look.fresh(CONFIG)["unreadable"] == ""
    assert mark.stat().st_mtime == 1000
    programs.answers["SELECT timeline_id"] = "3\n"
    assert look.fresh(CONFIG)["overtaken"] == ""
    assert not (tmp_path / "overtaken").exists()


@pytest.mark.parametrize(
    ("last", "is_kept"),
    [
        ({"at": NOW - 3599, "unreadable": ""}, True),
        ({"at": NOW - 3600, "unreadable": ""}, False),
        # Somebody has set the clock back.
        ({"at": NOW + 1, "unreadable": ""}, False),
        ({"at": NOW - 60, "unreadable": "No."}, False),
        ({}, False),
    ],
)
def test_good_look_is_good_for_an_hour(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, last: dict[str, Any], is_kept: bool
) -> None:
    monkeypatch.setattr(look.time, "time", lambda: NOW)
    monkeypatch.setattr(look, "fresh", lambda config: {"fresh": True})
    if last:
        state.save("destination", last)
    assert look.sparing(CONFIG) == (last if is_kept else {"fresh": True})


def test_what_is_remembered_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    assert state.load("drill", tmp_path) == {}
    state.save("drill", {"ok": True}, tmp_path)
    assert state.load("drill", tmp_path) == {"ok": True}
    assert [path.name for path in tmp_path.iterdir()] == ["drill.json"]
    (tmp_path / "drill.json").write_text('{"ok": tr')
    assert state.load("drill", tmp_path) == {}


def test_what_another_user_s_run_has_left_is_in_nobody_s_way(tmp_path: Path) -> None:
    (tmp_path / ".drill.new").mkdir()  # cannot be written to
    state.save("drill", {"ok": True}, tmp_path)
    assert state.load("drill", tmp_path) == {"ok": True}
    assert (tmp_path / "drill.json").stat().st_mode & 0o777 == 0o644  # PostgreSQL's user reads it
    (tmp_path / "full.json").mkdir()
    with pytest.raises(IsADirectoryError):
        state.save("full", {"ok": True}, tmp_path)
    assert list(tmp_path.glob(".full*")) == []


def test_configuration_is_what_the_role_writes(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps({**vars(CONFIG), "of_a_newer_version": 1}))
    found = Config.load(tmp_path / "c.json")
    assert found == CONFIG
    older = {name: value for name, value in vars(CONFIG).items() if name != "counts_rows"}
    (tmp_path / "older.json").write_text(json.dumps(older))
    assert Config.load(tmp_path / "older.json") == CONFIG
    assert (str(found.bin), str(found.data), found.unit) == (
        "/usr/lib/postgresql/15/bin",
        "/var/lib/postgresql/15/main",
        "postgresql@15-main.service",
    )
    assert (config.FILE.name, config.STATE.name) == ("database_backup.json", "database-backup")
