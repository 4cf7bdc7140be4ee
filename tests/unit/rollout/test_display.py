"""What a person sees, and that nothing depends on somebody seeing it."""

from __future__ import annotations

import io
import os
import subprocess
import sys

from espalier.rollout.display import Display


def test_step_that_ended_has_a_line() -> None:
    stream = io.StringIO()
    display = Display(stream)
    display.begin("build", "app1")
    assert display.doing() == "build app1"
    display.end("build", "app1", 1.25, "FAILED")
    assert stream.getvalue() == "  build      app1            1.2 s  FAILED\n"
    assert display.doing() == "begin"


def test_what_a_machine_tells_stands_below_its_step() -> None:
    stream, log = io.StringIO(), io.StringIO()
    display = Display(stream, log)
    display.begin("build", "app1")
    display.end("build", "app1", 1.25, "", ["shop.prod does not load here: KeyError: 'TOKEN'"])
    lines = [
        "  build      app1            1.2 s",
        " " * 13 + "shop.prod does not load here: KeyError: 'TOKEN'",
    ]
    assert stream.getvalue().splitlines() == log.getvalue().splitlines() == lines


def test_closed_pipe_ends_nothing() -> None:
    reader, writer = os.pipe()
    script = (
        "from espalier.rollout.display import Display; display = Display()\n"
        "for step in range(100): display.begin('s', 'm'); display.end('s', 'm', 1.0, '')\n"
        "display.close(); print('done')"
    )
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=writer, text=True
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stdout) == (0, "done\n")
