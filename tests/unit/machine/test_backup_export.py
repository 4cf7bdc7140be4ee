"""A dump out of a backup: what is checked before, and what is left where it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier_machine.database_backup import (
    catalog,
    dump_file,
    export,
    recovery,
    restore,
    throwaway,
)
from espalier_machine.database_backup.catalog import Column, Table
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.target import Target

from .backups import backup

GB = 10**9
TARGET = Target("default", "", True, 1, True, "20261128-000000F", 0.0, "all that there is")


def config(part: str = "primary") -> Config:
    return Config("shop", "s3", "17", part, "shop", True, False, 7, 2, True, 0, 60)


class Machine:
    """Stands for the machine: notes what is done there; fails at a word."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: str = "") -> None:
        """Take the place of pgBackRest, PostgreSQL and pg_dump."""
        self.done: list[str] = []
        self.fails, self.folder, self.free = fails, tmp_path, 100 * GB
        self.target, self.newest = TARGET, "1795874580.25"
        there = backup("full", 0, label=TARGET.backup, size=10 * GB)
        tables = [Table("public", "auth_user", {"email": Column("email", "text")})]
        usage = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=self.free))
        monkeypatch.setattr(export, "shutil", usage)
        monkeypatch.setattr(restore, "find", lambda config, said: (self.target, there))
        monkeypatch.setattr(export.sql, "one", lambda *asked, host: self.newest)
        monkeypatch.setattr(catalog, "tables", lambda *where: self.note("tables") or tables)
        monkeypatch.setattr(recovery, "fetch", self.fetch)
        monkeypatch.setattr(throwaway, "directory", self.directory)
        monkeypatch.setattr(throwaway, "configure", lambda *given: self.note("configure"))
        monkeypatch.setattr(throwaway, "recovered", self.recovered)
        monkeypatch.setattr(export, "change", self.change)
        monkeypatch.setattr(export, "_dump", self.dump)
        create, forget = dump_file.create, dump_file.remove_forgotten
        monkeypatch.setattr(dump_file, "create", lambda: create(tmp_path))
        monkeypatch.setattr(dump_file, "remove_forgotten", lambda: forget(tmp_path))

    def note(self, what: str) -> None:
        """Note a step."""
        self.done.append(what)
        if what == self.fails:
            raise BackupError("it failed")

    def fetch(self, *given: Any, archive: bool = True) -> None:
        """Restore a backup."""
        self.note(f"fetch archive={archive} {given[4].name}")

    @contextmanager
    def directory(self, wait: bool) -> Iterator[Path]:
        """Make a directory."""
        assert not wait
        yield self.folder

    @contextmanager
    def recovered(self, *given: Any) -> Iterator[None]:
        """Start the cluster."""
        self.note("start")
        yield
        self.done.append("stop")

    def change(self, database: str, wanted: Any, host: str) -> dict[str, dict[str, int]]:
        """Anonymise."""
        self.note(f"change {database} {json.dumps(wanted)}")
        return {"anonymised": {"public.auth_user": 3}, "sessions": {}}

    def dump(self, config: Config, host: str, path: Path) -> None:
        """Write a dump."""
        self.note("dump")
        path.write_bytes(b"PGDMP")


def test_dump_comes_out_of_a_cluster_that_archives_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path)
    said = {"latest": True, "anonymise": {"auth_user": ["email"]}}
    answer = export.export(config(), said)
    (path,) = tmp_path.glob("export-*.dump")
    assert answer == {
        "path": str(path),
        "bytes": 5,
        "target": TARGET.as_json(),
        "moment": 1795874580.25,
        "anonymised": {"public.auth_user": 3},
        "sessions": {},
    }
    assert machine.done == [
        "tables",
        "fetch archive=False pgbackrest.conf",
        "configure",
        "start",
        'change shop {"auth_user": ["email"]}',
        "dump",
        "stop",
    ]


@pytest.mark.parametrize(
    ("kind", "newest", "moment"),
    [
        pytest.param("default", "1795874580.25", 1795874580.25, id="its newest transaction"),
        pytest.param("default", "", 1795870000.0, id="none since the backup"),
        pytest.param("time", "1795874580.25", 1795870000.0, id="the one that was asked for"),
    ],
)
def test_moment_is_the_one_that_the_dump_is_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, newest: str, moment: float
) -> None:
    machine = Machine(monkeypatch, tmp_path)
    machine.target, machine.newest = replace(TARGET, kind=kind, time=1795870000.0), newest
    assert export.export(config(), {"latest": True})["moment"] == moment


def test_machine_that_keeps_the_copies_has_no_database_to_ask_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path)
    export.export(config("repository"), {"latest": True, "anonymise": {"auth_user": ["email"]}})
    assert machine.done[0] == "fetch archive=False alone.conf"


def test_typing_error_is_told_before_a_long_restore(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path)
    with pytest.raises(BackupError, match="did you mean auth_user"):
        export.export(config(), {"latest": True, "anonymise": {"auth_users": ["email"]}})
    assert machine.done == ["tables"]


@pytest.mark.parametrize(
    ("wanted", "free", "needs"), [({}, 23, "24.1"), ({"auth_user": ["email"]}, 33, "34.1")]
)
def test_disk_without_room_for_copy_and_dump_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: Any, free: int, needs: str
) -> None:
    machine = Machine(monkeypatch, tmp_path)
    machine.free = free * GB
    with pytest.raises(BackupError) as refused:
        export.export(config(), {"latest": True, "anonymise": wanted})
    assert str(refused.value) == (
        "There is no room for a dump out of the backup: a copy of the database needs "
        f"{needs} GB of disk, and {free}.0 GB are free."
    )
    assert not [step for step in machine.done if step.startswith("fetch")]
    machine.free = (free + 2) * GB
    export.export(config(), {"latest": True, "anonymise": wanted})


@pytest.mark.parametrize("fails", ["start", "change shop {}", "dump"])
def test_export_that_fails_leaves_no_dump(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: str
) -> None:
    Machine(monkeypatch, tmp_path, fails)
    with pytest.raises(BackupError, match="it failed"):
        export.export(config(), {"latest": True})
    assert not list(tmp_path.glob("export-*"))


def test_dump_that_nobody_has_fetched_is_removed_a_day_later(tmp_path: Path) -> None:
    old, new = dump_file.create(tmp_path), dump_file.create(tmp_path)
    other = tmp_path / "backup.json"
    other.write_text("{}")
    for path in (old, other):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    dump_file.remove_forgotten(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([new, other])


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give throw-away clusters another place."""
    monkeypatch.setattr(throwaway, "FOLDER", tmp_path / "drill")
    monkeypatch.setattr(throwaway.shutil, "chown", lambda *given: None)
    return tmp_path / "drill"


def test_two_throw_away_clusters_are_not_there_at_once(folder: Path) -> None:
    order, entered = [], threading.Event()

    def drill() -> None:
        entered.set()
        with throwaway.directory(wait=True):
            order.append("drill")

    with throwaway.directory(wait=False) as data:
        assert data.is_dir()
        with (
            pytest.raises(BackupError, match="by the nightly drill, a clone, or the"),
            throwaway.directory(wait=False),
        ):
            pass
        assert data.is_dir(), "the one that is there stays"
        thread = threading.Thread(target=drill)
        thread.start()
        entered.wait()
        time.sleep(0.1)
        order.append("export")
    thread.join()
    assert order == ["export", "drill"]
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["time", "default"])
def test_time_after_the_last_transaction_is_all_that_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    started: list[bool] = []

    @contextmanager
    def running(config: Config, data: Path) -> Iterator[Path]:
        started.append("recovery_target_time" in (data / "postgresql.auto.conf").read_text())
        if started[-1]:
            why = f"PostgreSQL ended while it recovered: {recovery.TOO_EARLY}"
            raise BackupError(why, "LOG:  redo done at 0/7000110 system usage: CPU")
        yield data / "log"

    monkeypatch.setattr(throwaway, "running", running)
    (tmp_path / "postgresql.auto.conf").write_text(
        "restore_command = 'x'\nrecovery_target_time = '2026-11-28'\n"
    )
    end = "000000010000000000000007" if kind == "time" else ""
    chosen = Target(kind, "", True, 1, True, "x", 0.0, "", end)
    if kind == "time":
        with throwaway.recovered(config(), chosen, tmp_path) as log:
            assert (started, log) == ([True, False], tmp_path / "log")
    else:
        with pytest.raises(BackupError), throwaway.recovered(config(), chosen, tmp_path):
            pass


# The command line with an export that takes long.
WAITING = """
import sys, time
from espalier_machine.database_backup import cli, config, export
config.Config.load = classmethod(lambda cls: None)
def slow(config, said):
    try:
        print(said, flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
export.export = slow
sys.argv = ["database-backup", "export", "--json"]
sys.exit(cli.main())
"""


def test_export_ends_with_whoever_asked_for_it() -> None:
    job = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert job.stdin and job.stdout
    job.stdin.write('{"latest": true}\n')
    job.stdin.flush()
    assert job.stdout.readline() == "{'latest': True}\n"
    job.stdin.close()
    assert job.wait(10) == 1
    assert job.stdout.read() == "cleaned up\n"


def test_cluster_that_ends_while_it_recovers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    folder.mkdir()
    for name, does in (("postgres", "echo 'FATAL:  no such WAL' >&2; exit 1"), ("pg_ctl", ":")):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    silent = BackupError("it does not answer")

    def ask(*given: Any, **more: Any) -> str:
        raise silent

    monkeypatch.setattr(throwaway, "as_owner", dict)
    monkeypatch.setattr(throwaway, "run", lambda *command, check: subprocess.run(command))
    monkeypatch.setattr(recovery.sql, "one", ask)
    with (
        pytest.raises(BackupError, match="ended while it recovered: FATAL:  no such WAL"),
        throwaway.running(SimpleNamespace(bin=folder), folder),  # type: ignore[arg-type]
    ):
        pass
