"""A machine with an installed project, for the tests of this directory."""

from __future__ import annotations

import functools
import signal

import pytest

from espalier_machine.common import system
from espalier_machine.database_backup import (
    archiving,
    drill,
    look,
    pgbackrest,
    recovery,
    restore,
    rows,
    sql,
    state,
    throwaway,
    wal,
    watch,
)
from espalier_machine.database_backup import backup as database_backup
from espalier_machine.release import config, schedule, side_by_side, virtualenv
from espalier_machine.release.machine import Machine
from espalier_machine.release.progress import Progress

from .backups import Programs
from .fakes import Systemd, write_config


@pytest.fixture
def machine(tmp_path, monkeypatch):
    made = Machine(config.Config.load(write_config(tmp_path)), Progress())
    made.ensure_directories()
    made.systemd = Systemd(made)
    monkeypatch.setattr(system, "run", made.systemd)
    monkeypatch.setattr(config, "CONFIGURATIONS", tmp_path / "etc")
    monkeypatch.setattr(virtualenv, "VENV_SPACE", 0)
    monkeypatch.setattr(schedule, "UNITS", tmp_path / "units")
    monkeypatch.setattr(side_by_side, "RUN", tmp_path)
    (tmp_path / "units").mkdir()
    handlers = {number: signal.getsignal(number) for number in (1, 2, 15)}
    yield made
    for server in made.systemd.running.values():
        server.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Programs of the backups, played; what `database-backup` remembers is in `tmp_path`."""
    played = Programs()
    for module in (drill, pgbackrest, recovery, rows, sql, throwaway, wal):
        monkeypatch.setattr(module, "run", played)
    for module in (archiving, database_backup, drill, look, restore, rows, wal, watch):
        monkeypatch.setattr(module, "STATE", tmp_path)
    for name in ("load", "save"):
        remembered = functools.partial(getattr(state, name), folder=tmp_path)
        monkeypatch.setattr(state, name, remembered)
    return played
