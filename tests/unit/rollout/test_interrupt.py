"""Ctrl-C, in the runner's process and in the one that a person has started."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import pytest

from espalier.cli import outcome
from espalier.inventory.site import Site
from espalier.rollout.request import Request

SITE = Site(
    Path("inventories/x"),
    "shop",
    {"services": {"django": ["app1", "app2"], "nginx": []}},
    {},
    {},
    {},
)
ASKED = json.dumps(
    {"site": SITE.to_json(), "request": Request(rollback_to="").to_data(), "show": True}
)
# The runner with machines that answer at once, but for the second switch, which takes a minute.
RUNNER = """
from contextlib import contextmanager
import espalier.rollout.__main__ as runner
import gevent
from espalier.inventory.remote import Remote
from espalier.rollout import session
from espalier.rollout.lock import SiteLock
from espalier.rollout.order import Answer

@contextmanager
def nothing(*given):
    yield {}

@contextmanager
def reach(site):
    yield Remote(site, None, {})

def perform(self, task):
    if (task.step, task.machine) == ("switch", "app2"):
        gevent.sleep(60)
    rows = [{"id": "id-" + one, "identity": one, "good": True} for one in ("new", "old")]
    live = {"id": "id-new", "identity": "new", "healthy": True}
    return Answer({"live": live, "stale": False, "releases": rows, "action": "switched"})

runner.connected, runner.reach, session.starting = nothing, reach, nothing
session.take = lambda machines, start: SiteLock()
session.reachability = lambda remote: None
session.Transport.perform = perform
sys.exit(runner.main())
"""


def start(script: str) -> subprocess.Popen[str]:
    # Wherever the tests run, as in a job in the background, which Ctrl-C does not reach.
    script = f"import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL)\n{script}"
    pipe, argv = subprocess.PIPE, [sys.executable, "-c", script]
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def until(steps: IO[str] | None, word: str) -> None:
    """Read the lines that tell of steps, up to one that has a word."""
    lines = []
    for line in steps or ():
        lines.append(line)
        if word in line:
            return
    raise AssertionError("".join(lines))


def test_interrupted_runner_tells_what_is_live_and_ends() -> None:
    job = start(RUNNER)
    assert job.stdin
    job.stdin.write(ASKED)
    job.stdin.close()
    job.stdin = None
    until(job.stderr, "switch     app1")
    time.sleep(0.5)
    job.send_signal(signal.SIGINT)
    job.send_signal(signal.SIGINT)
    out, error = job.communicate(timeout=20)
    report = json.loads(out)
    assert (job.returncode, report["status"]) == (130, 130)
    assert report["sentence"] == (
        "Interrupted; live now: id-old on app1, id-new or id-old on app2; the same command "
        "finishes it."
    )
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("import os; os.kill(os.getpid(), signal.SIGINT); gevent.sleep(5); yield {}", 130),
        ("yield {}; import os; os.kill(os.getpid(), signal.SIGINT); gevent.sleep(5)", 0),
    ],
)
def test_interruption_before_the_session_and_after_it_tells_the_truth(
    moment: str, status: int
) -> None:
    script = RUNNER.replace("gevent.sleep(60)", "pass")
    connecting = f"@contextmanager\ndef connecting(*given):\n    {moment}\n"
    script = script.replace("sys.exit(", f"{connecting}runner.connected = connecting\nsys.exit(")
    job = start(script)
    out, error = job.communicate(ASKED, timeout=20)
    assert (job.returncode, json.loads(out)["status"]) == (status, status), error
    assert ("result" in json.loads(out)) == (status == 0)


def test_runner_that_is_asked_for_nothing_yet_just_ends() -> None:
    job = start("import runpy; runpy.run_module('espalier.rollout', run_name='__main__')")
    time.sleep(3)
    job.send_signal(signal.SIGINT)
    out, error = job.communicate(timeout=20)
    assert (out, error) == ("", "")
    assert job.returncode == -signal.SIGINT


def test_command_ends_with_the_status_and_the_sentence_of_its_runner(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    job = start(RUNNER)
    steps = job.stderr

    def interrupt() -> None:  # this process alone, as `kill -INT` does
        until(steps, "switch     app1")
        time.sleep(0.5)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressing = threading.Thread(target=interrupt)
    job.stderr = None
    pressing.start()
    try:
        status = outcome.perform(job, SITE, Request(rollback_to=""), as_json=False)
    finally:
        signal.signal(signal.SIGINT, before)
    pressing.join()
    assert status == 130
    assert "the same command finishes it." in capsys.readouterr().err.replace("\n", " ")
    (log,) = tmp_path.glob("espalier/logs/x-*-rollback.log")
    assert "switch     app1" in log.read_text()
