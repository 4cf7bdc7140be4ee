"""The project's other processes, and its scheduled commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from espalier_machine.common import system
from espalier_machine.release.children import low_priority

from .fakes import PROCESSES, archive, run_json, told


def test_release_hands_its_code_to_the_other_processes(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz", **PROCESSES)
    assert run_json(capsys, "deploy", str(one), "--id", "one")[0] == 0
    processes = ["worker-1.service", "worker-2.service", "beat-1.service"]
    assert told(machine, "restart") == ["tidy.timer", *processes]
    assert "OnCalendar=daily" in (tmp_path / "units/orchard-schedule@tidy.timer").read_text()
    assert run_json(capsys, "status")[1]["processes"]["worker-2"]["release"] == "one"

    machine.systemd.calls.clear()
    assert run_json(capsys, "deploy", str(one))[1]["action"] == "unchanged"
    assert told(machine, "restart") == []

    # The next release has one worker less, and nothing at set times.
    changed = {
        "processes": PROCESSES["processes"]
        | {"worker": {"command": "x", "count": 1, "single": False}}
    }
    two = archive(tmp_path / "two.tar.gz", identity="fedcba9876543210", **changed)
    assert run_json(capsys, "deploy", str(two), "--id", "two")[0] == 0
    assert told(machine, "restart") == ["worker-1.service", "beat-1.service"]
    assert told(machine, "stop --no-block") == ["worker-2.service"]
    assert not list((tmp_path / "units").iterdir())

    machine.systemd.calls.clear()
    assert run_json(capsys, "rollback")[0] == 0
    assert told(machine, "restart") == ["tidy.timer", *processes]

    machine.systemd.calls.clear()
    (machine.config.environment_file).write_text('SECRET="new"\n')
    assert run_json(capsys, "restart")[0] == 0
    assert told(machine, "restart") == processes


def test_build_gives_way_to_visitors_and_nothing_else_does(machine):
    autogroup = Path("/proc/self/autogroup")
    # Its session is told just after it began.
    wait = f"nice, told = os.nice(0), lambda: int(open('{autogroup}').read().split()[-1])"
    wait += "\nfor _ in range(100): told() == nice or time.sleep(0.1)"
    argv = [sys.executable, "-c", f"import os, time\n{wait}\nprint(nice, told())"]
    if not autogroup.exists():
        pytest.skip("this kernel does not group processes by session")

    def nice() -> tuple[str, str]:
        said = machine.run(argv, "install", str, dict(os.environ), machine.root).split()
        return said[0], said[-1]

    before = nice()
    assert before[1] == "0"
    with low_priority():
        assert nice() == ("10", "10")
    assert nice() == before


def test_nothing_that_is_scheduled_runs_in_a_quiet_site(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz", **PROCESSES)
    assert run_json(capsys, "deploy", str(one), "--id", "one")[0] == 0
    assert run_json(capsys, "status")[1]["quiet"] is False
    timer = tmp_path / "units/orchard-schedule@tidy.timer"
    assert timer.exists()

    machine.config.environment_file.write_text('ESPALIER_QUIET="1"\n')
    status = run_json(capsys, "status")[1]
    assert (status["quiet"], status["stale"]) == (True, True)
    assert run_json(capsys, "restart")[0] == 0
    assert not timer.exists()
    assert not (tmp_path / "units/timers.target.wants").exists()
    status = run_json(capsys, "status")[1]
    assert (status["quiet"], status["stale"], status["unfinished"]) == (True, False, False)

    machine.config.environment_file.write_text('OTHER="1"\n')
    assert run_json(capsys, "restart")[0] == 0
    assert timer.exists()


def test_what_is_scheduled_runs_on_the_first_machine_only(machine, tmp_path, capsys):
    file = machine.config.file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"is_first": False}))
    one = archive(tmp_path / "one.tar.gz", **PROCESSES)
    assert run_json(capsys, "deploy", str(one))[0] == 0
    assert not list((tmp_path / "units").iterdir())
    assert "worker-1.service" in told(machine, "restart")


def test_time_that_systemd_does_not_understand_is_refused_before_anything(
    machine, tmp_path, capsys, monkeypatch
):
    def run(*argv, timeout=None):
        code = 1 if argv[0] == "systemd-analyze" else 0
        return subprocess.CompletedProcess(argv, code, "", "Failed to parse calendar\n")

    monkeypatch.setattr(system, "run", run)
    status, said = run_json(capsys, "prepare", str(archive(tmp_path / "a.tar.gz", **PROCESSES)))
    assert status == 1
    assert "schedule: tidy: when: daily" in said["error"]
    assert not list(machine.releases.iterdir())
