"""espalier logs, with machines that are processes here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

# Two machines that write for ever, as `journalctl -f` does on a busy site.
LOGS = """
import signal, subprocess, sys
# Where tests run in the background, Ctrl-C is ignored, and Python leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
from espalier.cli.logs import _print
line = ["sh", "-c", "while echo pears; do sleep 0.01; done"]
pipe = {"stdout": subprocess.PIPE, "text": True}
sys.exit(_print({name: subprocess.Popen(line, **pipe) for name in ("app1", "app2")}))
"""


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOGS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(job: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)


def test_logs_end_when_nobody_reads_on() -> None:
    job = start()
    assert job.stdout and job.stderr
    assert "pears" in job.stdout.readline()
    job.stdout.close()
    try:
        assert job.wait(30) == 0
    finally:
        end(job)
    assert job.stderr.read() == ""


def test_ctrl_c_has_the_status_of_a_shell() -> None:
    job = start()
    assert job.stdout
    assert "pears" in job.stdout.readline()
    time.sleep(0.2)
    os.killpg(job.pid, signal.SIGINT)
    try:
        job.communicate(timeout=30)
    finally:
        end(job)
    assert job.returncode == 130
