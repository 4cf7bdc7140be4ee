"""How far WAL has come on its way to the destination, and how long it is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from espalier_machine.database_backup import archiving

from .backups import Programs, here

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
