"""A second release fits beside the live one, starts with fewer workers, or is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from espalier_machine.release import footprint, side_by_side, victims
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.footprint import Footprint
from espalier_machine.release.memory import Memory

from .fakes import archive, deploy, run_json

MB = 1 << 20
HEAVY = Footprint(20 * MB, 150 * MB)


def process(root, pid, parent, pss=0, file=0, swap=0, caught=0):
    folder = root / f"proc/{pid}"
    folder.mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} (a) b) S {parent} 1 1")
    (folder / "status").write_text(f"Name:\ta\nSigCgt:\t{caught:016x}\n")
    (folder / "smaps_rollup").write_text(
        f"0-1 [rollup]\nPss: {pss} kB\nPss_File: {file} kB\nSwapPss: {swap} kB\n"
    )


def test_a_worker_is_measured_with_what_it_has_started_and_without_files(tmp_path):
    process(tmp_path, 10, 1, pss=30, file=10)
    process(tmp_path, 11, 10, pss=120, file=20, swap=50)
    process(tmp_path, 12, 11, pss=7)
    process(tmp_path, 13, 10, pss=500)
    process(tmp_path, 14, 10, pss=3)
    process(tmp_path, 20, 1, pss=9000)
    assert footprint.measure(10, tmp_path) == Footprint(20 * 1024, 157 * 1024)
    assert footprint.children(10, tmp_path) == [11, 13, 14]


def test_the_helper_of_multiprocessing_is_no_worker(tmp_path):
    process(tmp_path, 10, 1, pss=16)
    for pid, pss in ((11, 6), (12, 90), (13, 170)):
        process(tmp_path, pid, 10, pss=pss)
    code = b"python\0-c\0from multiprocessing.resource_tracker import main;main(6)\0"
    (tmp_path / "proc/11/cmdline").write_bytes(code)
    assert footprint.measure(10, tmp_path) == Footprint(16 * 1024, 170 * 1024)


def test_a_server_of_one_process_is_its_own_worker(tmp_path):
    process(tmp_path, 10, 1, pss=30)
    assert footprint.measure(10, tmp_path) == Footprint(0, 30 * 1024)


def test_what_does_not_run_is_not_measured(tmp_path):
    process(tmp_path, 1, 0, pss=9000)
    assert footprint.measure(0, tmp_path) is None
    assert footprint.measure(7, tmp_path) is None


def free(available, swap=0):
    return Memory(1024 * MB, available * MB, swap * MB)


@pytest.mark.parametrize(
    ("available", "swap", "workers"),
    [(530, 0, 3), (500, 0, 2), (222, 0, 1), (300, 300, 2)],
)
def test_as_many_workers_start_as_fit(available, swap, workers):
    found = side_by_side.count_at_start(HEAVY, free(available, swap), "gunicorn", 3, 1)
    assert found == workers


def test_a_release_of_which_not_one_worker_fits_is_refused_with_figures():
    with pytest.raises(ReleaseError) as caught:
        side_by_side.count_at_start(HEAVY, free(200), "gunicorn", 3, 1)
    assert caught.value.sentence == (
        "a second release does not fit beside the live one: one worker would take 170 MB, as the "
        "live release's do, and 148 MB can be spared; 200 MB of this machine's 1024 MB were free, "
        "without swap, and 51 MB are kept for what serves. What helps: swap or a larger machine."
    )


def test_a_server_that_cannot_start_with_fewer_is_refused_and_gunicorn_named():
    with pytest.raises(ReleaseError, match="granian starts with 3 workers, which would take 470"):
        side_by_side.count_at_start(HEAVY, free(300), "granian", 3, 3)
    with pytest.raises(ReleaseError, match=r"`server: gunicorn` in project\.yml"):
        side_by_side.count_at_start(HEAVY, free(300), "granian", 3, 3)


@pytest.mark.parametrize(
    ("server", "wanted", "text", "workers"),
    [
        ("gunicorn", 3, "", 1),
        ("granian", 3, "", 3),
        ("uwsgi", 3, "", 3),
        ("uvicorn", 3, "SIGTTIN", 2),
        ("uvicorn", 1, "SIGTTIN", 1),
        ("uvicorn", 3, "SIGTERM", 3),
    ],
)
def test_a_server_has_a_least_number_of_workers(tmp_path, server, wanted, text, workers):
    file = tmp_path / "lib/python3.13/site-packages" / side_by_side.SUPERVISOR
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert side_by_side.least(server, wanted, tmp_path) == workers


def test_a_process_without_a_handler_is_not_stopped(tmp_path):
    process(tmp_path, 10, 1, caught=1 << (signal.SIGTTIN - 1))
    process(tmp_path, 11, 1, caught=1 << (signal.SIGTERM - 1))
    assert side_by_side.catches(10, signal.SIGTTIN, tmp_path)
    assert not side_by_side.catches(11, signal.SIGTTIN, tmp_path)
    assert not side_by_side.catches(12, signal.SIGTTIN, tmp_path)


SERVER = """
import signal, subprocess, time
def grow(*_): subprocess.Popen(["sleep", "60"])
signal.signal(signal.SIGTTIN, grow)
signal.signal(signal.SIGTERM, lambda *_: exit(0))
print("ready", flush=True)
while True: time.sleep(60)
"""


def test_workers_are_added_one_after_another():
    argv = [sys.executable, "-c", SERVER]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as server:
        server.stdout.readline()
        try:
            assert side_by_side.add_workers(server.pid, 3) == 3
            assert len(footprint.children(server.pid)) == 3
        finally:
            os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture
def small(machine, monkeypatch):
    """A machine with room for one worker of two beside the live release; says what was added."""
    file = machine.config.environment_file
    file.write_text('ESPALIER_WEB_WORKERS="2"\nGUNICORN_CMD_ARGS="--backlog=9"\n')
    added = []
    monkeypatch.setattr(side_by_side, "SETTLES", 0)
    monkeypatch.setattr(footprint, "measure", lambda pid: HEAVY)
    monkeypatch.setattr(side_by_side.memory, "read", lambda: free(300))
    monkeypatch.setattr(side_by_side, "add_workers", lambda pid, n: added.append(n) or n)
    return added


def test_a_release_starts_small_and_grows_when_it_is_alone(
    machine, small, tmp_path, capsys, monkeypatch
):
    seen, call = [], machine.systemd.__call__

    def run(*argv, timeout=None):
        if argv[:2] == ("systemctl", "start"):
            seen.extend(file.read_text() for file in tmp_path.glob("*.service.env"))
        if (
            argv[:2] == ("systemctl", "stop")
            and "blue" in argv[2]
            and machine.live_slot() != "blue"
        ):
            seen.append(list(small))
        return call(*argv, timeout=timeout)

    monkeypatch.setattr(side_by_side.memory, "read", lambda: free(300))
    monkeypatch.setattr("espalier_machine.common.system.run", run)
    assert deploy(capsys, tmp_path, "r1", "1" * 16)[0] == 0
    seen.clear()
    status, result = deploy(capsys, tmp_path, "r2", "2" * 16)
    assert status == 0
    assert result["told"] == ["with 1 of 2 workers until the old release has made room"]
    text = 'ESPALIER_WEB_WORKERS="1"\nGUNICORN_CMD_ARGS="--backlog=9 --workers=1"\n'
    assert seen == [text, []]  # the old one was stopped before any worker was added
    assert small == [1]
    assert not list(tmp_path.glob("*.service.env"))


def test_a_worker_that_ends_for_memory_after_the_switch_is_told(
    machine, tmp_path, capsys, monkeypatch
):
    log = "[ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"
    asked = []
    monkeypatch.setattr(side_by_side, "unit_log", lambda unit, since: asked.append(unit) or log)
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert (status, asked) == (0, [machine.unit("blue")])
    assert "was ended for want of memory; what helps" in result["told"][0]


def test_a_refused_release_is_neither_built_nor_started(
    machine, small, tmp_path, capsys, monkeypatch
):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    monkeypatch.setattr(side_by_side.memory, "read", lambda: free(200))
    path = archive(tmp_path / "r2.tar.gz", "2" * 16)
    machine.systemd.calls.clear()
    status, result = run_json(capsys, "deploy", str(path), "--id", "r2")
    assert (status, result["step"]) == (1, "memory")
    assert result["live"]["id"] == "r1"
    assert not machine.load("r2")
    assert not [call for call in machine.systemd.calls if "systemctl start" in call]


def test_the_way_back_is_tried_where_memory_is_short(machine, small, tmp_path, capsys, monkeypatch):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    deploy(capsys, tmp_path, "r2", "2" * 16)
    monkeypatch.setattr(side_by_side.memory, "read", lambda: free(100))
    small.clear()
    status, result = run_json(capsys, "rollback")
    assert (status, result["live"]["id"]) == (0, "r1")
    assert small == [1]
    assert run_json(capsys, "restart")[0] == 0


def test_a_process_and_those_below_it_get_a_score(tmp_path):
    for pid, parent in ((10, 1), (11, 10), (12, 11), (20, 1)):
        process(tmp_path, pid, parent)
        (tmp_path / f"proc/{pid}/oom_score_adj").write_text("0")
    victims.set_score(10, -300, tmp_path)
    scores = [(tmp_path / f"proc/{pid}/oom_score_adj").read_text() for pid in (10, 11, 12, 20)]
    assert scores == ["-300", "-300", "-300", "0"]
