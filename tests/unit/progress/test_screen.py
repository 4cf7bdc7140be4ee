"""Lines on a terminal and in a pipe."""

from __future__ import annotations

import io
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from espalier.inventory.site import SiteError
from espalier.progress import logs
from espalier.progress.events import VARIABLE, Follower, send
from espalier.progress.screen import BAD, GOOD, LINK, Screen

SCRIPT = """
import sys, time
from espalier.progress.screen import *
screen = Screen(sys.stdout, lambda: "working on it")
time.sleep(0.3)
print("Password:", flush=True)
screen.watch()
time.sleep(0.3)
screen.line("  base  vps1", GOOD)
screen.line("it failed", BAD)
screen.close()
"""


def on_terminal(**variables: str) -> str:
    """Give what a terminal gets of the script."""
    reader, writer = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment = kept | {"TERM": "xterm-256color"} | variables
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=writer, env=environment):
        os.close(writer)
        found = b""
        while True:
            try:
                found += os.read(reader, 65536)
            except OSError:  # nobody has it open any more
                break
    os.close(reader)
    return found.decode()


def test_terminal_shows_what_runs_and_how_it_ended() -> None:
    shown = on_terminal()
    assert shown.startswith("Password:")  # which nothing has covered
    assert "working on it" in shown
    assert "\x1b[32m✓ \x1b[0mbase  vps1" in shown
    assert "\x1b[31mit failed" in shown
    assert "\x1b[?25l" not in shown  # the cursor stays, whoever kills the process


def test_terminal_without_colours_has_none() -> None:
    shown = on_terminal(NO_COLOR="1")
    assert "✓ base  vps1" in shown and "\x1b[32m" not in shown and "\x1b[31m" not in shown


def test_terminal_that_knows_no_control_characters_gets_plain_lines() -> None:
    assert on_terminal(TERM="dumb") == "Password:\r\n  base  vps1\r\nit failed\r\n"


def test_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    screen = Screen(stream, lambda: "working on it")
    screen.lines([("  base  vps1", GOOD), ("x" * 300, BAD), ("https://x/", LINK)])
    screen.close()
    assert stream.getvalue() == f"  base  vps1\n{'x' * 300}\nhttps://x/\n"


def test_events_of_several_processes_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "events"
    file.touch()
    send("lost")  # nobody follows
    monkeypatch.setenv(VARIABLE, str(file))
    follower = Follower(file)
    writer = (
        "from espalier.progress.events import send\nfor n in range(50): send('x', text='y' * n)"
    )
    jobs = [subprocess.Popen([sys.executable, "-c", writer]) for _ in range(3)]
    found = [event for job in jobs if not job.wait() for event in follower.read()]
    assert sorted(len(event["text"]) for event in found) == sorted([*range(50)] * 3)
    with file.open("ab") as half:
        half.write(b'{"event": "half"')
        half.flush()
        assert follower.read() == []
        half.write(b"}\n")
    assert follower.read() == [{"event": "half"}]
    follower.close()


def test_log_is_its_owners_and_only_so_many_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    for _ in range(logs.KEPT + 3):
        logs.create("production", "site", folder).close()
    found = list(folder.iterdir())
    assert len(found) == logs.KEPT
    assert stat.S_IMODE(found[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_log_is_in_the_directory_of_the_users_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/pia")
    assert logs.directory({"XDG_STATE_HOME": "/state"}) == Path("/state/espalier/logs")
    home = Path("/home/pia/.local/state/espalier/logs")
    assert logs.directory({}) == logs.directory({"XDG_STATE_HOME": "relative"}) == home
    assert logs.shown(f"{home}/x.log") == "~/.local/state/espalier/logs/x.log"
    assert logs.shown("/state/x.log") == "/state/x.log"


def test_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(SiteError, match=r"No log can be written to .*XDG_STATE_HOME") as refused:
        logs.create("production", "site", tmp_path / "logs")
    assert refused.value.status == 2
