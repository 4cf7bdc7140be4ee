"""The machine that keeps the backups is tried, and nothing stays there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plugins.module_utils.backup_destination import machine
from tests.unit.backup_destination.service import attempt


def test_a_machine_that_keeps_the_backups_itself(tmp_path: Path) -> None:
    kept = tmp_path / "shop/live"
    problem, seen = attempt({"to": "machine", "path": str(kept)})
    assert problem == ""
    assert seen["free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, abs=10**9)
    assert seen["has_backups"] is False
    assert list(tmp_path.iterdir()) == []
    (kept / "database/backup/shop").mkdir(parents=True)
    (kept / "database/backup/shop/backup.info").write_bytes(b"x" * 40)
    seen = attempt({"to": "machine", "path": str(kept)})[1]
    assert (seen["has_backups"], seen["info_begins"]) == (True, "eHh4" * 10 + "eHg=")


def test_a_machine_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=400_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert attempt({"to": "machine", "path": f"{tmp_path}/shop"}) == (
        f"This machine is to keep the backups in {tmp_path}/shop, and has 0.4 GB free in "
        f"{tmp_path}. Make room for at least 1 GB, or put another machine into the group `backup` "
        "of hosts.yml.",
        {"clock_skew": None, "has_backups": False, "info_begins": "", "free_bytes": 400_000_000},
    )


def test_a_machine_that_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "trial_name", lambda path: f"{path}/absent/file")
    assert attempt({"to": "machine", "path": f"{tmp_path}/shop"})[0] == (
        f"This machine is to keep the backups in {tmp_path}/shop, and cannot write in {tmp_path} "
        "(No such file or directory). Have its disk repaired, or mounted for writing, or put "
        "another machine into the group `backup` of hosts.yml."
    )
