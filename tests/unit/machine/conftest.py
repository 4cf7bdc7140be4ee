"""A machine with an installed project, for the tests of this directory."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import pwd
import shutil
import signal
from pathlib import Path
from typing import Any

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
from espalier_machine.uploads_backup import cli as uploads_cli
from espalier_machine.uploads_backup import config as uploads_config
from espalier_machine.uploads_backup import save as uploads_save
from espalier_machine.uploads_backup.config import Config

from . import backups
from .fakes import Systemd, write_config
from .uploads import Run


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
    played = backups.Programs()
    for module in (drill, pgbackrest, recovery, rows, sql, throwaway, wal):
        monkeypatch.setattr(module, "run", played)
    for module in (archiving, database_backup, drill, look, recovery, restore, rows, wal, watch):
        monkeypatch.setattr(module, "STATE", tmp_path)
    for name in ("load", "save"):
        remembered = functools.partial(getattr(state, name), folder=tmp_path)
        monkeypatch.setattr(state, name, remembered)
    return played


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> backups.Systemd:
    """Systemd, as making a backup sees it."""
    played = backups.Systemd()
    monkeypatch.setattr(database_backup, "subprocess", played)
    return played


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as `begin` makes it, which takes seconds."""
    place = tmp_path_factory.mktemp("made")
    (place / "passphrase").write_text("secret\n")
    passphrase = str(place / "passphrase")
    known = Config("shop", str(place / "repository"), password_file=passphrase, prunes=True)
    uploads_save.begin(known)
    return place / "repository"


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of uploads, with the settings of its backups."""
    monkeypatch.setattr(uploads_config, "FILE", tmp_path / "uploads_backup.json")
    monkeypatch.setattr(uploads_config, "HOME", tmp_path / "home")
    monkeypatch.setattr(uploads_config, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(system, "is_active", lambda _: True)
    directory = tmp_path / "srv/media"
    directory.mkdir(parents=True)
    (tmp_path / "passphrase").write_text("secret\n")
    settings = {
        "site": "shop",
        "repository": str(tmp_path / "repository"),
        "environment": {},
        "options": [],
        "password_file": str(tmp_path / "passphrase"),
        "media": str(directory),
        "owner": pwd.getpwuid(os.getuid()).pw_name,
        "keep_days": 14,
        "prunes": True,
        "samples": True,
    }
    uploads_config.FILE.write_text(json.dumps(settings))
    return directory


@pytest.fixture
def run(media: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line, as a program that reads its JSON, with a repository."""
    monkeypatch.setattr(os, "umask", lambda _: 0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    shutil.copytree(made, media.parent.parent / "repository")

    def run(*arguments: str, status: int = 0) -> dict[str, Any]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            ended = uploads_cli.main([*arguments, "--json"])
        answer = json.loads(out.getvalue())
        assert ended == status, answer
        return answer

    return run
