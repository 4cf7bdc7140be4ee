"""Somebody is told when a unit begins to fail, and when that is over: by mail and by webhook."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller

from espalier.environment import plain_environment
from tests.infra.conftest import ROOT

testinfra_hosts = ["ansible://nginx"]

UNIT = "espalier-trial"
SERVICE = """
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo PASSWORD=hunter2 for a visitor; test -e /run/espalier-trial'
"""
TIMER = "[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n"
STATE = "/var/lib/espalier/alerts/state.json"


class Inbox:
    """What came in: mails, texts for the webhook, and paths that were asked for."""

    def __init__(self, machine: str) -> None:
        """Begin with an empty one; what other machines tell is left out, but for tests."""
        self.machine = machine
        self.mails: list[str] = []
        self.texts: list[str] = []
        self.beats: list[str] = []

    async def handle_DATA(self, server, session, envelope) -> str:
        """Take a mail."""
        import email
        import email.policy

        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        if self.counts(str(message["Subject"])):
            self.mails.append(f"{message['Subject']}\n{message.get_content()}")
        return "250 Taken"

    def counts(self, subject: str) -> bool:
        """Whether a message is for the tests."""
        return f" {self.machine}: " in subject or subject.endswith(": a test")

    def clear(self) -> None:
        """Forget what came."""
        for one in (self.mails, self.texts, self.beats):
            one.clear()


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until something is true; gives it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.2)
    return found


@pytest.fixture
def settings(host, is_lab: bool) -> dict[str, Any]:
    """What the machine is told of whom to tell; only where that is this machine."""
    file = host.file("/etc/espalier/alerts.json")
    told = json.loads(file.content_string) if is_lab else {}
    if "/trial" not in str(told.get("webhook")):
        pytest.skip("this site tells real people, or nobody")
    return told


@pytest.fixture
def inbox(settings: dict[str, Any]) -> Iterator[Inbox]:
    """The webhook that the machine knows; its mail server is `mail_server`."""
    box = Inbox(settings["machine"])

    class Handler(BaseHTTPRequestHandler):
        """Takes what comes."""

        def do_POST(self) -> None:
            """Take a text."""
            content = self.rfile.read(int(self.headers["Content-Length"]))
            text = json.loads(content)["text"]
            if box.counts(text.splitlines()[0]):
                box.texts.append(text)
            self.answer()

        def do_GET(self) -> None:
            """Take a heartbeat."""
            box.beats.append(self.path)
            self.answer()

        def answer(self) -> None:
            """Say that it was taken."""
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    where = urlsplit(settings["webhook"][0])
    assert where.hostname and where.port
    server = ThreadingHTTPServer((where.hostname, where.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield box
    server.shutdown()
    server.server_close()


@pytest.fixture
def start_mail(settings: dict[str, Any], inbox: Inbox) -> Iterator[Callable[[], None]]:
    """What starts the mail server that the machine knows."""
    controller = Controller(inbox, settings["smtp"]["host"], settings["smtp"]["port"])
    started: list[bool] = []

    def start() -> None:
        controller.start()
        started.append(True)

    yield start
    if started:
        controller.stop()


@pytest.fixture
def trial(host) -> Iterator[Callable[[], None]]:
    """A unit that fails until its file is there; gives what starts it."""
    host.run(f"cat > /etc/systemd/system/{UNIT}.service <<'E'\n{SERVICE}\nE")
    host.run(f"rm -f {STATE} /run/{UNIT}; systemctl daemon-reload")
    yield lambda: host.run(f"systemctl start {UNIT}.service")
    host.run(
        f"systemctl disable --now {UNIT}.timer; rm -f /etc/systemd/system/{UNIT}.* /run/{UNIT}"
    )
    host.run(f"systemctl daemon-reload; systemctl reset-failed; rm -f {STATE}")


def look(host) -> None:
    """Have the machine look now, as its timer does."""
    host.check_output("systemctl start espalier-alerts.service")


@pytest.mark.breaks
def test_a_failure_is_told_once_and_once_when_it_is_over(
    host, inbox: Inbox, start_mail: Callable[[], None], trial: Callable[[], None]
) -> None:
    start_mail()
    trial()
    wait_for(lambda: inbox.texts and inbox.mails)
    assert f"{UNIT}.service fails since " in inbox.texts[0]
    assert "it ended with status 1." in inbox.texts[0]
    assert "visitor" not in inbox.texts[0]
    assert "PASSWORD=*** for a visitor" in inbox.mails[0]
    look(host)
    assert (len(inbox.texts), len(inbox.mails)) == (1, 1)
    inbox.clear()
    host.run(f"touch /run/{UNIT}; systemctl start {UNIT}.service")
    look(host)
    assert f"{UNIT}.service is well again" in inbox.texts[0]
    assert f"{UNIT}.service is well again" in inbox.mails[0]


@pytest.mark.breaks
def test_what_the_mail_server_does_not_take_is_sent_later(
    host, inbox: Inbox, start_mail: Callable[[], None], trial: Callable[[], None]
) -> None:
    trial()
    wait_for(lambda: inbox.texts)
    assert json.loads(host.check_output(f"cat {STATE}"))["outbox"]
    start_mail()
    wait_for(lambda: inbox.mails, 180)  # the timer's next look after a minute
    assert f"{UNIT}.service fails since " in inbox.mails[0]
    assert len(inbox.texts) == 1


@pytest.mark.breaks
def test_a_heartbeat_comes_only_while_nothing_fails(
    host, inbox: Inbox, start_mail: Callable[[], None], trial: Callable[[], None]
) -> None:
    start_mail()
    look(host)
    assert inbox.beats == ["/beat"]
    trial()
    wait_for(lambda: inbox.texts)
    state = json.loads(host.check_output(f"cat {STATE}"))
    host.run(f"cat > {STATE} <<'E'\n{json.dumps(state | {'heartbeat': 0})}\nE")
    look(host)
    assert len(inbox.beats) == 1
    host.run(f"touch /run/{UNIT}; systemctl start {UNIT}.service")
    look(host)
    assert len(inbox.beats) == 2


@pytest.mark.breaks
def test_a_timer_that_was_stopped_is_told(host, inbox: Inbox, trial: Callable[[], None]) -> None:
    host.run(f"cat > /etc/systemd/system/{UNIT}.timer <<'E'\n{TIMER}\nE")
    host.check_output(f"systemctl daemon-reload && systemctl enable --now {UNIT}.timer")
    look(host)
    host.check_output(f"systemctl stop {UNIT}.timer")
    look(host)
    assert not inbox.texts  # it may be started again at once
    wait_for(lambda: inbox.texts, 180)
    assert f"{UNIT}.timer fails since " in inbox.texts[0]
    assert "it is enabled, and does not run" in inbox.texts[0]


@pytest.mark.breaks
def test_a_restart_of_what_serves_is_told_to_nobody(host, inbox: Inbox, site) -> None:
    running = host.check_output(
        "systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1"
    )
    kinds = ("nginx", "postgresql@", "pgbouncer", "redis-server", "systemd-journald")
    for unit in running.split():
        if unit.startswith(kinds):
            host.check_output("systemctl restart %s", unit)
    wait_for(lambda: site.get("/")[0].status == 200)
    time.sleep(8)
    look(host)
    assert not inbox.texts


def test_the_command_says_what_each_channel_answered(
    inbox: Inbox, start_mail: Callable[[], None], inventory_path: str
) -> None:
    start_mail()
    program = str(Path(sys.executable).with_name("espalier"))
    words = [program, "alerts", "--test", "--json", "-i", inventory_path]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=plain_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    for machine, answer in json.loads(done.stdout).items():
        assert len(answer["told"]) == 3
        assert sum(f" {machine}: a test" in text for text in (*inbox.texts, *inbox.mails)) == 2


def test_no_address_of_a_webhook_is_seen_by_others(host, settings: dict[str, Any]) -> None:
    file = host.file("/etc/espalier/alerts.json")
    assert (file.mode, file.user) == (0o600, "root")
    path = urlsplit(settings["webhook"][0]).path
    assert path not in host.check_output("journalctl -u espalier-alerts -u espalier-notify")
    assert path not in host.check_output("cat /var/lib/espalier/alerts/*")


def test_upgrades_come_in_the_window_and_not_when_a_machine_starts_at_noon(host) -> None:
    shown = host.check_output(
        "systemctl show apt-daily-upgrade.timer -p TimersCalendar,Persistent,NextElapseUSecRealtime"
    )
    assert "Persistent=no" in shown
    assert shown.count("OnCalendar=") == 1  # Debian's own is gone
