"""A moment comes back in place of the database that is here, which is set aside."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier_machine.common import system
from espalier_machine.database_backup import recovery, restore, target
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.target import Target

from .backups import FIRST, SECOND, Programs, here, info
from .restores import AFTER, AT, ENDS, LAST, MOMENT, TOO_EARLY, WHEN, Systemd


@pytest.fixture
def machine(tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine whose primary runs, with two backups; a disk with 30 MB free."""
    data = tmp_path / "main"
    data.mkdir()
    (data / "postmaster.opts").touch()
    (data / "PG_VERSION").write_text("what was there")
    programs.answers = {"info": info(FIRST, SECOND), "SELECT pg_is_in_recovery()": "f\n"}
    programs.answers["SELECT pg_walfile_name"] = "000000010000000000000007\n"
    programs.answers["SELECT coalesce(max("] = "000000010000000000000007\n"
    programs.answers["\nSELECT coalesce(extract("] = "0\x1f0\x1f\x1fon\n"
    earlier = {f"s00000001000000000000000{number}": MOMENT - 50 for number in range(1, 7)}
    programs.archive(**earlier, s000000010000000000000007=MOMENT + 60)
    usage = shutil.disk_usage(tmp_path)
    found = SimpleNamespace(config=here(tmp_path), data=data, free=30_000_000, runs=True, units=[])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=found.free))
    monkeypatch.setattr(shutil, "chown", lambda *given: None)
    monkeypatch.setattr(system, "is_active", lambda unit: found.runs)
    monkeypatch.setattr(restore.time, "time", lambda: MOMENT + 90)
    monkeypatch.setattr(restore.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(
        restore.time, "gmtime", lambda: restore.time.struct_time((2026, 11, 30, 9, 38, 10, 0, 0, 0))
    )
    return found


def test_plan_says_what_it_costs(machine: Any, programs: Programs) -> None:
    assert restore.plan(machine.config, {"to": MOMENT}) == {
        "target": {**AT.as_json(), "end": LAST},
        "bytes": 23074558,
        "stored": 2830864,
        "free": 30_000_000,
        "lost": 90.0,
        "aside": True,
        "backup_ended": 1796031351,
    }
    # Each request may have to be paid for.
    assert len(programs.ran("info")) == 1


def test_plan_over_a_gap_is_refused_with_the_moment_before_it(
    machine: Any, programs: Programs
) -> None:
    # Another destination had its turn meanwhile.
    programs.archive(s000000010000000000000009=MOMENT + 80)
    with pytest.raises(BackupError) as refused:
        restore.plan(machine.config, {"latest": True})
    assert str(refused.value) == (
        "WAL is missing from 000000010000000000000007 to 000000010000000000000009, after the "
        "backup that leads there. What came before can be restored: --to "
        f"'{target.utc(MOMENT + 60)}', or earlier."
    )
    assert restore.plan(machine.config, {"to": MOMENT - 54})["bytes"] == 22992637
    assert restore.plan(machine.config, {"to": MOMENT + 60})["target"]["end"] == LAST
    with pytest.raises(BackupError, match="WAL is missing"):
        restore.plan(machine.config, {"to": MOMENT + 61})


def test_gap_of_the_history_that_a_restore_began_is_seen_too(
    machine: Any, programs: Programs
) -> None:
    # A restore to 0/80000A8, and no backup since then; the abandoned history went on.
    newest = "00000002000000000000000A"
    programs.answers["info"] = info(FIRST, SECOND, newest=newest)
    programs.answers["archive/shop/15-1/00000002.history"] = "1\t0/80000A8\tbefore\n\n"
    programs.folders["archive/shop/15-1"]["00000002.history"] = MOMENT + 70
    programs.archive(
        s000000010000000000000008=MOMENT + 65,
        s00000001000000000000000C=MOMENT + 69,
        s000000020000000000000008=MOMENT + 75,
        s000000020000000000000009=MOMENT + 80,
        s00000002000000000000000A=MOMENT + 85,
    )
    machine.runs = False
    assert restore.plan(machine.config, {"to": MOMENT + 84})["target"]["end"] == newest
    del programs.folders["archive/shop/15-1/0000000200000000"]
    programs.archive(s000000020000000000000008=MOMENT + 75, s00000002000000000000000A=MOMENT + 85)
    with pytest.raises(BackupError, match="missing from 000000020000000000000008 to 0000000200"):
        restore.plan(machine.config, {"to": MOMENT + 84})


def test_time_after_the_end_of_wal_is_refused_where_nobody_knows_what_came_then(
    machine: Any, programs: Programs
) -> None:
    machine.runs = False  # it is a new one
    assert restore.plan(machine.config, {"to": MOMENT + 60})["target"]["end"] == LAST
    with pytest.raises(BackupError) as refused:
        restore.plan(machine.config, {"to": MOMENT + 61})
    end = "2026-11-30 09:37:40.000000+00"
    assert str(refused.value) == (
        f"WAL at the destination ends at {end}: what was committed after that is not there. "
        "Instead of 2026-11-30 09:37:41.000000+00 write `latest`, for all that is there, or a "
        f"moment until then: '{end}'."
    )
    assert restore.plan(machine.config, {"latest": True})["target"]["end"] == ""


def test_site_to_which_nobody_writes_has_no_wal_and_any_time_until_now(
    machine: Any, programs: Programs
) -> None:
    # After the last segment, which the plan itself has ended; or which came meanwhile.
    assert restore.plan(machine.config, {"to": MOMENT + 89})["target"]["end"] == LAST
    programs.archive(s000000010000000000000008=MOMENT + 80)
    assert restore.plan(machine.config, {"to": MOMENT + 89})["target"]["end"] == f"{LAST[:-1]}8"


def test_time_since_which_wal_waits_for_the_destination_is_refused(
    machine: Any, programs: Programs
) -> None:
    status = machine.data / "pg_wal/archive_status"
    status.mkdir(parents=True)
    for name, since in (("08", MOMENT + 30), ("09", MOMENT + 70)):
        (status / f"0000000100000000000000{name}.ready").touch()
        os.utime(status / f"0000000100000000000000{name}.ready", (since, since))
    programs.answers["SELECT pg_walfile_name"] = "000000010000000000000009\n"
    programs.answers["SELECT coalesce(max("] = "000000010000000000000009\n"  # it was dropped
    assert restore.plan(machine.config, {"to": MOMENT + 30})["target"]["end"] == LAST
    # Segment 7 came late: what waits now was written before it came.
    with pytest.raises(BackupError) as refused:
        restore.plan(machine.config, {"to": MOMENT + 31})
    assert str(refused.value).startswith(
        f"WAL at the destination ends at {target.utc(MOMENT + 30)}: what was committed after that "
        "waits on this machine (`espalier backups` says why). Instead"
    )
    assert restore.plan(machine.config, {"latest": True})["aside"]


def test_plan_of_all_that_there_is_loses_nothing(machine: Any) -> None:
    (machine.data / "postmaster.opts").unlink()
    found = restore.plan(machine.config, {"latest": True})
    assert (found["lost"], found["aside"]) == (0.0, False)


@pytest.mark.parametrize(
    ("runs", "recovers", "asked"), [(True, "f", 1), (True, "t", 0), (False, "", 0)]
)
def test_what_was_committed_just_now_is_archived_first(
    machine: Any, programs: Programs, runs: bool, recovers: str, asked: int
) -> None:
    machine.runs = runs
    programs.answers["SELECT pg_is_in_recovery()"] = f"{recovers}\n"
    restore.plan(machine.config, {"latest": True})
    told = [call for call in programs.calls if "pg_create_restore_point" in call[-1]]
    assert len(told) == asked


def test_both_databases_need_room(machine: Any, tmp_path: Path) -> None:
    machine.free = 25_382_014  # 1.1 times the database
    restore.plan(machine.config, {"latest": True})
    machine.free -= 1
    with pytest.raises(BackupError) as refused:
        restore.plan(machine.config, {"latest": True})
    assert str(refused.value) == (
        f"The database takes 23 MB, and the disk under {tmp_path} has 25 MB free. What is there is "
        "kept, so both need room: give the machine a larger disk, or delete what was set aside "
        "there (replaced-*, retired-*) and is no longer wanted."
    )


@pytest.fixture
def systemd(machine: Any, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """The machine's programs."""
    return Systemd(machine, monkeypatch)


def test_moment_comes_back_and_what_was_there_is_set_aside(
    machine: Any, systemd: Systemd, tmp_path: Path, programs: Programs
) -> None:
    left = tmp_path / "main.restoring"  # by a run that was cut off
    left.mkdir()
    (left / "half").touch()
    report = restore.restore(machine.config, AT)
    aside = tmp_path / "replaced-20261130-093810"
    assert report == {
        "at": MOMENT + 90,
        "aside": str(aside),
        "what": f"as it was at {WHEN}",
        "fetch_seconds": 0.0,
        "recovery_seconds": 0.0,
    }
    # The database answers until the backup is there.
    assert systemd.did == ["fetch", "stop", "reset-failed?", "start", "recovered"]
    assert (aside / "PG_VERSION").read_text() == "what was there"
    assert (machine.data / "PG_VERSION").read_text() == "what came back"
    assert not left.exists()
    assert json.loads((tmp_path / "restored.json").read_text()) == report
    assert programs.calls[0][-1] == "ALTER SYSTEM RESET restore_command"
    assert not recovery.is_marked()


def test_cluster_in_which_nothing_ever_was_is_not_kept(
    machine: Any, systemd: Systemd, tmp_path: Path
) -> None:
    (machine.data / "postmaster.opts").unlink()
    assert restore.restore(machine.config, AT)["aside"] == ""
    assert list(tmp_path.glob("replaced-*")) == []


def test_directory_that_is_not_there_at_all(machine: Any, systemd: Systemd) -> None:
    shutil.rmtree(machine.data)
    assert restore.restore(machine.config, AT)["aside"] == ""
    assert (machine.data / "PG_VERSION").read_text() == "what came back"


def test_backup_that_cannot_be_fetched_interrupts_nothing(
    machine: Any, systemd: Systemd, tmp_path: Path
) -> None:
    systemd.fetch_fails = True
    with pytest.raises(BackupError, match="cannot be restored"):
        restore.restore(machine.config, AT)
    assert systemd.did == ["fetch"]
    assert (machine.data / "PG_VERSION").read_text() == "what was there"
    assert not (tmp_path / "main.restoring").exists()


@pytest.mark.parametrize("was_killed", [False, True])
def test_recovery_that_fails_brings_back_what_was_there(
    machine: Any, systemd: Systemd, tmp_path: Path, programs: Programs, was_killed: bool
) -> None:
    if was_killed:  # the restore before, of what is there now
        recovery.mark()
    systemd.failures = ["PANIC: no"]
    with pytest.raises(BackupError, match="PANIC: no"):
        restore.restore(machine.config, AT)
    assert (machine.data / "PG_VERSION").read_text() == "what was there"
    assert systemd.did[-3:] == ["stop?", "reset-failed?", "start"]
    assert list(tmp_path.glob("replaced-*")) == []
    assert not (tmp_path / "restored.json").exists()
    assert recovery.is_marked() is was_killed
    assert programs.ran("psql") == []


def test_time_after_the_last_commit_is_all_that_there_is(machine: Any, systemd: Systemd) -> None:
    systemd.failures = [TOO_EARLY]
    restore.restore(machine.config, ENDS)
    assert systemd.did.count("start") == 2
    assert (machine.data / "postgresql.auto.conf").read_text() == ""


@pytest.mark.parametrize(
    ("chosen", "failures"),
    [(AFTER, [TOO_EARLY]), (AT, [TOO_EARLY]), (ENDS, [TOO_EARLY, TOO_EARLY])],
)
def test_transaction_that_recovery_does_not_come_to_is_a_failure(
    machine: Any, systemd: Systemd, chosen: Target, failures: list[str]
) -> None:
    systemd.failures = failures
    with pytest.raises(BackupError, match="recovery ended before"):
        restore.restore(machine.config, chosen)
    assert (machine.data / "PG_VERSION").read_text() == "what was there"


def test_moment_is_looked_for_with_the_configuration_that_is_given(
    machine: Any, programs: Programs
) -> None:
    restore.plan(machine.config, {"latest": True}, Path("/etc/other.conf"))
    asked = [call for call in programs.calls if "info" in call]
    assert {call[3] for call in asked} == {"--config=/etc/other.conf"}
    assert target.utc(MOMENT) == WHEN


LEFT = "recovery_target_time = '2026-11-30 09:39:03.732338+00'\n"


@pytest.mark.parametrize(
    ("settings", "signal", "recovers", "forgets"),
    [
        (LEFT, "", "f", True),
        # It has to recover still, at its next start or now; or there is nothing.
        (LEFT, "recovery.signal", "f", False),
        (LEFT, "", "t", False),
        ("work_mem = '8MB'\n", "", "f", False),
        # No restore has left it: an administrator wants it.
        (LEFT, None, "f", False),
    ],
)
def test_settings_of_a_restore_that_was_killed_are_forgotten_once_it_has_recovered(
    machine: Any,
    programs: Programs,
    settings: str,
    signal: str | None,
    recovers: str,
    forgets: bool,
) -> None:
    (machine.data / "postgresql.auto.conf").write_text(settings)
    if signal is not None:
        recovery.mark()
    if signal:
        (machine.data / signal).touch()
    programs.answers["SELECT pg_is_in_recovery()"] = f"{recovers}\n"
    assert recovery.forget_leftovers(machine.config) is forgets
    told = [call[-1] for call in programs.calls if "ALTER" in call[-1]]
    assert ("ALTER SYSTEM RESET recovery_target_time" in told) is bool(told) is forgets
    # Settings that somebody makes from now on are his.
    assert not recovery.forget_leftovers(machine.config)


@pytest.fixture
def half(machine: Any) -> Path:
    """Half of a backup, fetched beside the database."""
    found: Path = machine.data.with_name("main.restoring")
    found.mkdir()
    (found / "PG_VERSION").touch()
    return found


def test_what_a_restore_that_was_killed_has_left_is_removed(machine: Any, half: Path) -> None:
    (machine.data / "postgresql.auto.conf").write_text(LEFT)
    recovery.mark()
    aside = machine.data.with_name("replaced-20261130-093810")
    aside.mkdir()
    assert restore.clean_up(machine.config) == [
        "forgot the settings of a recovery that has ended",
        "removed the half of a backup that a restore which was cut off has left",
    ]
    assert not half.exists()
    # It is somebody's database.
    assert aside.exists() and (machine.data / "PG_VERSION").exists()
    (machine.data / "postgresql.auto.conf").write_text("")
    assert restore.clean_up(machine.config) == []


def test_restore_that_is_under_way_is_left_alone(
    machine: Any, half: Path, systemd: Systemd, tmp_path: Path
) -> None:
    with (tmp_path / "restore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert restore.clean_up(machine.config) == []
        with pytest.raises(BackupError, match="Another restore is under way on this machine"):
            restore.restore(machine.config, AT)
        assert (list(half.iterdir()), systemd.did) == ([half / "PG_VERSION"], [])
    assert restore.restore(machine.config, AT)["aside"]


def test_no_other_restore_begins_during_one(
    machine: Any, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap(config: Any, staging: Path) -> None:
        with pytest.raises(BackupError, match="Another restore is under way"):
            restore.restore(machine.config, AT)
        raise BackupError("enough")

    monkeypatch.setattr(restore, "_swap", swap)
    with pytest.raises(BackupError, match="enough"):
        restore.restore(machine.config, AT)
    assert systemd.did.count("fetch") == 1
