"""A machine with an installed project, for the tests of this directory."""

from __future__ import annotations

import signal

import pytest

from espalier_machine.common import system
from espalier_machine.release import config, schedule, side_by_side, virtualenv
from espalier_machine.release.machine import Machine
from espalier_machine.release.progress import Progress

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
