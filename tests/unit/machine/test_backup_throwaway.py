"""The cluster in which a backup comes back for a while."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from espalier_machine.database_backup import throwaway

from .backups import CONFIG, Programs

CONTROL = """\
pg_control version number:            1300
Database cluster state:               in archive recovery
max_connections setting:              57
max_worker_processes setting:         14
max_wal_senders setting:              10
max_prepared_xacts setting:           3
max_locks_per_xact setting:           64
Latest checkpoint's TimeLineID:       2
"""


def test_throwaway_cluster_has_little_memory_and_lets_nobody_in(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.answers = {"/usr/lib/postgresql/15/bin/pg_controldata": CONTROL}
    monkeypatch.setattr(throwaway, "FOLDER", tmp_path)
    owned: list[str] = []
    monkeypatch.setattr(shutil, "chown", lambda path, *who: owned.append(path.name))
    (tmp_path / "data").mkdir()
    throwaway.configure(CONFIG, tmp_path / "data", {"recovery_target_xid": "'760'"})
    text = (tmp_path / "data/postgresql.conf").read_text()
    settings = dict(line.split(" = ", 1) for line in text.splitlines())
    expected = {
        "listen_addresses": "''",
        "archive_mode": "off",
        "shared_buffers": "16MB",
        # As many as the primary has: recovery would refuse less.
        "max_connections": "57",
        "max_worker_processes": "14",
        "max_wal_senders": "10",
        "max_prepared_transactions": "3",
        "max_locks_per_transaction": "64",
        "recovery_target_xid": "'760'",
    }
    assert {name: settings[name] for name in expected} == expected
    assert (tmp_path / "hba.conf").read_text() == "local all all trust\n"
    assert sorted(owned) == ["hba.conf", "ident.conf", "postgresql.conf"]


def test_throwaway_directory_is_empty_private_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throwaway, "FOLDER", tmp_path / "drill")
    monkeypatch.setattr(shutil, "chown", lambda *given: None)
    (tmp_path / "drill/data").mkdir(parents=True)
    (tmp_path / "drill/data/of_a_drill_that_was_cut_off").touch()
    with pytest.raises(ZeroDivisionError), throwaway.directory(wait=True) as data:
        assert list(data.iterdir()) == []
        assert [path.stat().st_mode & 0o777 for path in (data, data.parent)] == [0o700, 0o700]
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["throwaway.lock"]
