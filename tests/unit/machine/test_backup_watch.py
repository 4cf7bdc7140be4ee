"""What is seen each minute: when a backup begins that mends a gap of WAL, and when the next one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import recovery, state, watch

from .backups import CONFIG, STARTED, Programs, Systemd, here

HOUR, DAY = 3600.0, 86400.0
NOW = 100 * DAY


@pytest.mark.parametrize(
    ("archived", "waiting", "state", "begins"),
    [
        (1001.0, 0, "inactive", True),
        # It is away still, or what waited has not all come, or one is being made.
        (999.0, 0, "inactive", False),
        (1001.0, 16777216, "inactive", False),
        (1001.0, 0, "activating", False),
    ],
)
def test_full_backup_begins_once_the_destination_is_back(
    tmp_path: Path,
    programs: Programs,
    systemd: Systemd,
    monkeypatch: pytest.MonkeyPatch,
    archived: float,
    waiting: int,
    state: str,
    begins: bool,
) -> None:
    systemd.state = state
    (tmp_path / "dropped").touch()
    os.utime(tmp_path / "dropped", (1000, 1000))
    # A backup that began before is none that has what was dropped.
    found = {
        "colour": "red",
        "archiving": {"archived": archived, "waiting": waiting},
        "backups": [{"began": 990}],
    }
    monkeypatch.setattr(watch, "status", lambda config, seen: found)
    monkeypatch.setattr(watch.look, "fresh", lambda config: {"gap": False, "unreadable": ""})
    assert watch.watch(CONFIG) == found
    assert systemd.calls == STARTED * begins
    assert json.loads((tmp_path / "watch.json").read_text())["colour"] == "red"


def test_backup_of_another_machine_makes_good_what_was_dropped(
    tmp_path: Path, programs: Programs, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dropped").touch()
    os.utime(tmp_path / "dropped", (1000, 1000))
    wal = {"archived": 1001.0, "waiting": 0}
    found = {"colour": "red", "archiving": wal, "backups": [{"began": 990}, {"began": 1010}]}
    monkeypatch.setattr(watch, "status", lambda config, seen: found)
    monkeypatch.setattr(watch.look, "fresh", lambda config: {"gap": False, "unreadable": ""})
    watch.watch(CONFIG)
    assert not (tmp_path / "dropped").exists()
    assert systemd.calls == []


def test_keeper_begins_a_backup_where_wal_is_missing(
    programs: Programs, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"colour": "amber", "archiving": None, "backups": []}
    monkeypatch.setattr(watch, "status", lambda config, seen: found)
    monkeypatch.setattr(watch.look, "sparing", lambda config: {"gap": True, "unreadable": ""})
    watch.watch(CONFIG)
    assert systemd.calls == STARTED


@pytest.mark.parametrize("wal", [None, {"archived": 1001.0, "waiting": 0}])
def test_nothing_begins_where_nothing_was_dropped(
    programs: Programs, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, wal: Any
) -> None:
    found = {"colour": "green", "archiving": wal}
    monkeypatch.setattr(watch, "status", lambda config, seen: found)
    monkeypatch.setattr(watch.look, "sparing", lambda config: {"gap": False, "unreadable": ""})
    watch.watch(CONFIG)
    assert systemd.calls == []


@pytest.mark.parametrize(
    ("part", "answer", "forgets"),
    [
        ("primary", "f\n", True),
        ("replica", "f\n", False),
        # That it does not answer is told by the status.
        ("primary", (2, "", "psql: error: no such file"), False),
    ],
)
def test_watch_forgets_the_recovery_of_a_restore_that_was_killed(
    tmp_path: Path,
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    answer: Any,
    forgets: bool,
) -> None:
    (tmp_path / "main").mkdir()
    recovery.mark()
    (tmp_path / "main/postgresql.auto.conf").write_text("recovery_target_xid = '726'\n")
    programs.answers["SELECT pg_is_in_recovery()"] = answer
    found = {"colour": "green", "archiving": None}
    monkeypatch.setattr(watch, "status", lambda config, seen: found)
    monkeypatch.setattr(watch.look, "sparing", lambda config: {"gap": False, "unreadable": ""})
    assert watch.watch(here(tmp_path, part=part)) == found
    told = [call for call in programs.calls if call[-1].startswith("ALTER SYSTEM RESET")]
    assert bool(told) is forgets


class Gap:
    """WAL is missing, the watch looks each minute, and each backup fails after so many seconds."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, systemd: Systemd) -> None:
        """Begin at an hour, with a destination that can be read."""
        self.machine, self.systemd, self.now, self.takes = here(folder), systemd, NOW, 20.0
        self.ends = 0.0
        self.there = {"gap": True, "unreadable": "", "at": 0, "info": {}, "skew": None}
        self.there |= {"overtaken": ""}
        found = {"colour": "red", "archiving": None, "backups": []}
        monkeypatch.setattr(watch, "status", lambda config, seen: found)
        for name in ("sparing", "fresh"):
            monkeypatch.setattr(watch.look, name, lambda config: self.there)
        monkeypatch.setattr(watch.time, "time", lambda: self.now)

    def begins(self, minutes: int) -> list[float]:
        """Return when backups begin, in seconds from now, while so many minutes pass."""
        start, found = self.now, []
        for _ in range(minutes):
            if self.ends and self.now >= self.ends:
                state.save("backup", {"failed": self.ends, "error": "no"})
                self.systemd.state, self.ends = "failed", 0
            before = len(self.systemd.calls)
            watch.watch(self.machine)
            if len(self.systemd.calls) > before:
                found.append(self.now - start)
                self.systemd.state, self.ends = "activating", self.now + self.takes
            self.now += 60
        return found


@pytest.fixture
def gap(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, systemd: Systemd
) -> Gap:
    """A gap, of this test."""
    return Gap(tmp_path, monkeypatch, systemd)


def test_backup_that_mends_a_gap_is_tried_at_once_and_then_each_hour(gap: Gap) -> None:
    # From the end of a try, which took 20 s.
    assert gap.begins(123) == [0, 61 * 60, 122 * 60]


def test_try_that_takes_long_is_followed_by_the_same_pause(gap: Gap) -> None:
    gap.takes = 2 * HOUR
    assert gap.begins(190) == [0, 3 * HOUR]


def test_try_that_was_killed_is_followed_by_a_pause_too(gap: Gap) -> None:
    watch.watch(gap.machine)
    gap.now += 60
    assert gap.begins(61) == [59 * 60]


def test_backup_of_the_night_that_failed_before_delays_nothing(gap: Gap) -> None:
    state.save("backup", {"failed": gap.now - 60, "error": "no"})
    assert gap.begins(2) == [0]


def test_next_gap_is_mended_at_once(gap: Gap) -> None:
    assert gap.begins(2) == [0]
    # A destination that does not answer shows no gap, and has none the less.
    gap.there |= {"gap": False, "unreadable": "The destination does not answer."}
    gap.begins(2)
    gap.there |= {"gap": True, "unreadable": ""}
    assert gap.begins(2) == []
    gap.there |= {"gap": False}
    gap.begins(1)
    gap.there |= {"gap": True}
    assert gap.begins(2) == [0]


def test_wal_that_was_dropped_is_made_good_with_the_same_pause(
    gap: Gap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap.there["gap"] = False
    (tmp_path / "dropped").touch()
    os.utime(tmp_path / "dropped", (500, 500))
    wal = {"archived": 600.0, "waiting": 0}
    found = {"colour": "red", "archiving": wal, "backups": []}
    monkeypatch.setattr(watch, "status", lambda config, seen: found)
    assert gap.begins(62) == [0, 61 * 60]


def test_clock_that_was_set_back_delays_no_try(gap: Gap) -> None:
    assert gap.begins(2) == [0]
    gap.now -= 30 * DAY
    assert gap.begins(1) == [0]


def test_backup_that_is_being_made_is_no_try_of_its_own(gap: Gap) -> None:
    gap.systemd.state = "activating"
    assert gap.begins(3) == []
    gap.systemd.state = "inactive"
    assert gap.begins(1) == [0]
