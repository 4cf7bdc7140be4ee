"""The lock of `postgresql-replica`: one run at a time, in a place where only root writes."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest

from espalier_machine.replica import cli


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_only_root_writes_where_the_lock_is() -> None:
    above = [path for path in cli.LOCK.parents if path.exists()]
    assert [path for path in above if path.stat().st_mode & 0o002] == []


def test_command_holds_the_lock_while_it_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "espalier" / "lock"
    seen = []

    def follow(replica: object, check: bool) -> dict[str, object]:
        seen.append((is_locked(lock), lock.parent.stat().st_mode & 0o777))
        return {"changed": False, "did": "nothing"}

    monkeypatch.setattr(cli, "LOCK", lock)
    monkeypatch.setattr(cli, "follow", follow)
    monkeypatch.setattr(sys, "argv", ["postgresql-replica", "follow", "17"])
    before = os.umask(0o077)
    try:
        assert cli.main() == 0
    finally:
        os.umask(before)
    assert seen == [(True, 0o755)]
    assert not is_locked(lock)
    assert capsys.readouterr().out == '{"changed": false, "did": "nothing"}\n'
