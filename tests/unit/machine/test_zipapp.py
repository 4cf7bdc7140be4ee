"""The zipapp as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from espalier.wiring.programs import program
from espalier_machine.common import installed

from .fakes import archive, deploy, run_json

# The tests' configuration instead of the machine's.
RUN = """
import pathlib, sys
from espalier_machine.release import cli, config, virtualenv
assert ".pyz/" in cli.__file__
config.CONFIGURATIONS = pathlib.Path(sys.argv[1])
virtualenv.VENV_SPACE = 0
sys.exit(cli.main(sys.argv[2:]))
"""


def start(tmp_path, *argv):
    """The command in a process of its own, imported out of its zipapp."""
    zipapp = tmp_path / "release.pyz"
    zipapp.write_bytes(program("release").content)
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "etc"), *argv],
        env=os.environ | {"PYTHONPATH": str(zipapp)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_release_at_a_time_and_a_signal_cleans_up(machine, tmp_path, capsys):
    (tmp_path / "migrate.wait").touch()
    first = start(tmp_path, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "r1", "--json")
    wait_for(lambda: (machine.releases / "r1/release.json").exists())

    status, result = run_json(capsys, "clean")
    assert (status, result["step"]) == (3, "lock")
    assert result["lock"]["pid"] == first.pid
    assert result["lock"]["what"].startswith("deploy ")
    assert f"pid {first.pid} here" in result["error"]
    assert run_json(capsys, "status")[1]["lock"]["pid"] == first.pid

    first.send_signal(signal.SIGTERM)
    out, _ = first.communicate(timeout=15)
    assert first.returncode == 1
    assert json.loads(out)["error"] == "stopped by SIGTERM."
    assert list(machine.releases.iterdir()) == list(machine.venvs.iterdir()) == []
    assert run_json(capsys, "clean")[0] == 0
    assert run_json(capsys, "status")[1]["lock"] is None


def test_a_killed_holder_leaves_no_lock(machine, tmp_path, capsys):
    (tmp_path / "migrate.wait").touch()
    first = start(tmp_path, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "r1")
    wait_for(lambda: (machine.releases / "r1/release.json").exists())
    first.kill()
    first.wait()
    (tmp_path / "migrate.wait").unlink()
    assert deploy(capsys, tmp_path, "r1", "0123456789abcdef")[0] == 0


@pytest.mark.parametrize(
    ("name", "argv", "status", "words"),
    [
        ("release", ["--help"], 0, "Build, switch and roll back the releases of a Django project"),
        ("release", ["deploy"], 2, "ARCHIVE"),
        ("postgresql-replica", ["--help"], 0, "Make this machine's PostgreSQL follow its primary"),
        ("postgresql-replica", ["leave", "17"], 2, "invalid choice: 'leave'"),
    ],
)
def test_zipapp_runs_as_its_wrapper_runs_it(tmp_path, name, argv, status, words):
    """Alone: -I and -S leave it nothing but the standard library."""
    zipapp = tmp_path / program(name).filename
    zipapp.write_bytes(program(name).content)
    wrapper = tmp_path / name
    wrapper.write_text(program(name).wrapper.replace(program(name).path, str(zipapp)))
    wrapper.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    done = subprocess.run([wrapper, *argv], capture_output=True, text=True, env=environment)
    assert done.returncode == status
    assert words in done.stdout + done.stderr


def test_zipapp_that_runs_is_marked_as_in_use(machine, tmp_path):
    process = start(tmp_path, "hold", "release")
    assert '"token"' in process.stdout.readline()
    assert installed.is_in_use(tmp_path / "release.pyz")
    process.kill()
    process.wait()
    assert not installed.is_in_use(tmp_path / "release.pyz")
