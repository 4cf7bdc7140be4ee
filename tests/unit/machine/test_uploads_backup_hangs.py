"""A restic that hangs is told, and nobody waits for it without end."""

from __future__ import annotations

import dataclasses
import fcntl
import os
from pathlib import Path

import pytest

from espalier_machine.uploads_backup import changes, cli, config, save, state
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError

# One that knows the snapshot of before, and never ends when it is to make another one.
HANGS = """#!/bin/sh
case "$*" in
*snapshots*) echo '[{"id":"a1b2c3d4e5","time":"2026-11-30T12:00:00Z","paths":["/m"]}]';;
*) exec sleep 5;;
esac
"""
SAVED = (
    '{"message_type":"summary","snapshot_id":"a1b2c3d4e5","total_files_processed":1,'
    '"total_bytes_processed":1}'
)
SAVES = HANGS.replace("exec sleep 5", f"sleep 1; echo '{SAVED}'")
LONG = (
    r"A backup took longer than 0 minutes, and was ended\. Does the destination still take data\?"
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Uploads that have changed since a snapshot of theirs, and a bound of half a second."""
    monkeypatch.setattr(config, "HOME", tmp_path / "home")
    monkeypatch.setattr(save, "LONGEST", 0.5)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "media").mkdir()
    (tmp_path / "media/a.txt").write_text("a")
    (tmp_path / "passphrase").write_text("secret\n")
    known = {"id": "a1b2c3d4", "time": 1000.0, "files": 1, "bytes": 1, "unread": []}
    state.save(state.State("/r", known))
    changes.begin().rename(changes.stamp())
    return Config("shop", "/r", password_file=f"{tmp_path}/passphrase", media=f"{tmp_path}/media")


def restic(settings: Config, script: str) -> None:
    program = Path(settings.media).parent / "restic"
    program.write_text(script)
    program.chmod(0o755)


def test_a_backup_that_hangs_is_ended_and_told(settings: Config) -> None:
    restic(settings, HANGS)
    with pytest.raises(BackupError, match=LONG):
        save.run(settings)
    assert state.load("/r").error.startswith("A backup took longer")
    with pytest.raises(BackupError, match=LONG):
        save.aside(settings)


@pytest.mark.parametrize(
    "before", [{"snapshot": {}}, {"error": "A backup took longer", "failed": 1}]
)
def test_a_first_one_and_one_after_a_failure_may_take_longer(
    settings: Config, before: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    state.save(dataclasses.replace(state.load("/r"), **before))
    monkeypatch.setattr(save, "check_fewer", lambda *_: None)
    restic(settings, SAVES)
    assert save.run(settings)["snapshot"]["id"] == "a1b2c3d4"
    assert state.load("/r").error == ""


def test_who_waits_is_told_for_whom(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "PAUSE", 0.01)
    monkeypatch.setattr(state, "words", lambda _: "2026-11-30T03:30:00+00:00")
    since = f"process {os.getpid()}, since 2026-11-30T03:30:00+00:00"
    with state.locked("forget"):
        with pytest.raises(BackupError) as told, state.locked("restore", patience=0.05):
            pass
        assert str(told.value) == (
            f"`uploads-backup forget` ({since}) works with the backups of uploads."
        )
    with state.locked("restore", patience=0):
        pass


def test_a_lock_of_another_version_is_told(settings: Config) -> None:
    with (state.home() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with (
            pytest.raises(BackupError, match=r"^Another `uploads-backup` works"),
            state.locked("run", patience=0),
        ):
            pass


def test_a_plan_waits_for_nobody(
    settings: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "load", lambda: settings)
    monkeypatch.setitem(cli.LOCKED, "restore", 0)
    monkeypatch.setattr(cli.os, "umask", lambda _: 0)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    monkeypatch.setattr(cli.installed, "mark_in_use", lambda: None)
    # Of a repository that somebody has locked, restic would say so without it.
    restic(settings, '#!/bin/sh\ncase "$*" in *--no-lock*) echo "[]";; *) exit 1;; esac\n')
    with state.locked("run"):
        assert cli.main(["restore", "--to", "latest", "--plan"]) == 1
        assert capsys.readouterr().err == "There is no backup of the uploads of shop yet.\n"
        assert cli.main(["restore", "--to", "latest"]) == 1
        assert "works with the backups of uploads" in capsys.readouterr().err
