"""Somebody is told once when a unit begins to fail, once when it is over, and never by a secret."""

from __future__ import annotations

import datetime
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from espalier_machine.alerts import channels, cli, ends, findings, look, outbox, units, updates
from espalier_machine.alerts.channels import ChannelError
from espalier_machine.alerts.config import Config, load
from espalier_machine.alerts.decide import News, Open, State, decide
from espalier_machine.alerts.message import Message, masked, message
from espalier_machine.alerts.units import Problem
from espalier_machine.common import installed, system

from .alerts import FAILED, NOW, failing, unit


def test_it_is_told_once_and_once_when_it_is_over() -> None:
    state = State()
    problem = {"a.service": Problem("it ended with status 1", NOW)}
    assert list(decide(state, problem, [], NOW).begun) == ["a.service"]
    assert decide(state, problem, [], NOW + 60) == News({}, {})
    assert decide(state, {}, ["a.service"], NOW + 120) == News({}, {})  # it runs again, just now
    assert list(decide(state, {}, [], NOW + 180).over) == ["a.service"]
    assert decide(state, {}, [], NOW + 240) == News({}, {})


def test_a_unit_that_comes_and_goes_is_told_a_bounded_number_of_times() -> None:
    state, told = State(), 0
    for minute in range(6 * 60):  # it fails every other minute
        problem = {"a.service": Problem("it failed", NOW)} if minute % 2 else {}
        news = decide(state, problem, [], NOW + minute * 60)
        told += len(news.begun) + len(news.over)
    assert told == 3  # fails, well, fails
    assert list(state.open) == ["a.service"]
    for minute in range(6 * 60, 6 * 60 + 12):
        told += len(decide(state, {}, [], NOW + minute * 60).over)
    assert (told, state.open) == (4, {})


def found_by(*keys: str) -> dict[str, Problem]:
    return {"w.service": Problem("; ".join(keys), NOW, keys)}


def test_a_unit_that_stays_failed_is_told_anew_where_it_finds_something_else() -> None:
    state = State()
    assert list(decide(state, found_by("WAL waits"), [], NOW).begun) == ["w.service"]
    assert decide(state, found_by("WAL waits"), [], NOW + 60) == News({}, {})
    told = decide(state, found_by("WAL waits", "emptied"), [], NOW + 120).begun["w.service"]
    assert told.what == "WAL waits; emptied"
    # What is over is none, nor is a run that says nothing; but it is when it comes again.
    assert decide(state, found_by(), [], NOW + 180) == News({}, {})
    assert decide(state, found_by("WAL waits"), [], NOW + 240) == News({}, {})
    assert decide(state, found_by("emptied"), [], NOW + 300).begun
    assert list(decide(state, {}, [], NOW + 3000).over) == []  # it was told three times


def test_findings_that_come_and_go_are_told_a_bounded_number_of_times() -> None:
    state, told = State(), 0
    for minute in range(60):
        again = ("emptied",) if minute % 2 else ()
        told += len(decide(state, found_by("waits", *again), [], NOW + minute * 60).begun)
    assert told == 10


def test_findings_are_the_red_lines_of_the_last_run_without_figures() -> None:
    red = "red: WAL waits since 5 minutes: 16 MB of 500 MB"
    assert findings.parse([red, "amber: no drill", "red: no"]) == [red.removeprefix("red: "), "no"]
    assert findings.parse(["The backup failed: no."]) == ["The backup failed: no."]
    assert findings.without_figures(red) == findings.without_figures(
        "red: WAL waits since 3 hours: 2.5 GB of 500 MB"
    )
    assert findings.without_figures("a 1") != findings.without_figures("b 1")


def test_what_a_program_of_the_backups_said_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def run(*argv: str) -> Any:
        asked.append(argv)
        return type("Done", (), {"stdout": "red: The bucket is not there.\nred: SECRET=x\n"})

    monkeypatch.setattr(system, "run", run)
    watch = unit("espalier-backup-watch.service", **FAILED, InvocationID="6f0c")
    others = [unit(**FAILED, InvocationID="7a1d"), unit("espalier-drill.service", **FAILED)]
    seen = [watch, *others]
    found = findings.explained(failing(*seen), seen)
    assert found["espalier-backup-watch.service"].what == "The bucket is not there; SECRET=***"
    assert found["nginx.service"].what == "it ended with status 3"
    assert [argv[1] for argv in asked] == ["_SYSTEMD_INVOCATION_ID=6f0c"]


def test_the_state_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    state = State(open={"a.service": Open("it failed", 1.0)}, outbox=[{"a": 1}], heartbeat=2.0)
    with look.kept(tmp_path) as empty:
        assert empty == State()
    look.save(tmp_path, state)
    assert look.load(tmp_path) == state
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "state.json").write_text("{half")
    assert look.load(tmp_path) == State()


def test_a_message_says_what_and_what_to_type_and_only_a_mail_has_the_log() -> None:
    one = Open("it ended with status 1", 1_795_976_497.0)
    made = message("shop", "vps1", News({"a.service": one}, {}), lambda unit: ["it broke"])
    assert made == Message(
        "[shop] vps1: a.service fails",
        "a.service fails since 2026-11-29 18:21:37 UTC: it ended with status 1.\n"
        "On vps1: `journalctl -u a.service -n 50` says more, and `systemctl restart a.service` "
        "starts it again. `espalier status` lists all that fails.",
        "The last lines of a.service:\n    it broke",
    )
    over = message("shop", "vps1", News({}, {"a.service": one, "b.service": one}), lambda unit: [])
    assert over.subject == "[shop] vps1: 2 units are well again"
    assert over.text.splitlines()[0] == (
        "a.service is well again; it failed at 2026-11-29 18:21:37 UTC."
    )


def test_lines_of_a_log_are_cut_and_hold_no_password() -> None:
    assert masked(
        [
            "connect to postgres://shop:hunter2@db1/shop",
            "DB_PASSWORD=hunter2 x",
            '{"api_key": "hunter2", "n": 1}',
            "Authorization: Bearer hunter2",
            "x" * 300,
        ]
    ) == [
        "connect to postgres://shop:***@db1/shop",
        "DB_PASSWORD=*** x",
        '{"api_key": ***", "n": 1}',
        "Authorization: ***",
        "x" * 199 + "…",
    ]


def refuse(*entry: str) -> str:
    raise ChannelError("no answer")


def test_what_cannot_be_sent_is_kept_and_tried_again_less_and_less_often() -> None:
    box: list[Any] = []
    outbox.add(box, ["email", "webhook-1"], Message("s", "t", "j"), NOW)
    assert [one["channel"] for one in box] == ["email", "webhook-1"]
    box, told = outbox.deliver(box[:1], refuse, NOW)
    assert (box[0]["next"], told) == (
        NOW + 60,
        ["not sent `s` by email: no answer; tried again in 60 s"],
    )
    assert outbox.deliver(box, refuse, NOW + 30) == (box, [])  # not due
    box, _ = outbox.deliver(box, refuse, NOW + 60)
    assert box[0]["next"] == NOW + 60 + 120
    assert not outbox.is_stuck(box, NOW + 300)
    assert outbox.is_stuck(box, NOW + 900)
    sent: list[tuple[str, ...]] = []
    left, told = outbox.deliver(box, lambda *e: sent.append(e) or "250 ok", NOW + 900)  # type: ignore[func-returns-value]
    assert (left, sent, told) == ([], [("email", "s", "t", "j")], ["sent `s` by email: 250 ok"])


def test_what_waits_is_bounded() -> None:
    box: list[Any] = []
    for number in range(60):
        outbox.add(box, ["email"], Message(str(number), ""), NOW)
    box, told = outbox.deliver(box, refuse, NOW)
    assert (len(box), box[-1]["subject"]) == (40, "59")
    assert "given up `0` by email: too many wait" in told
    box, told = outbox.deliver(box[:1], refuse, NOW + 25 * 3600)
    assert box == [] and told[0].startswith("given up")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what comes, and answers with a status."""

    got: ClassVar[list[Any]] = []
    status = 200

    def do_POST(self) -> None:
        """Keep JSON."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, json.loads(body)))
        self.do_GET(False)

    def do_GET(self, counts: bool = True) -> None:
        """Keep the path."""
        self.got.append(self.path) if counts else None
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    kind = type("Kind", (Receiver,), {"got": [], "status": status})
    server = http.server.HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/T0KEN", kind.got  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_text_and_no_log() -> None:
    with receiver() as (address, got):
        config = Config(webhook=(address,))
        (channel,) = config.channels
        assert "T0KEN" not in channel + config.channels[channel] + repr(config)
        assert channels.send(config, channel, "s", "t", "a visitor's name") == "200 OK"
        assert got == [("/T0KEN", {"text": "s\nt"})]


def test_no_word_of_a_failure_holds_the_address() -> None:
    with receiver(404) as (address, _), pytest.raises(ChannelError, match="it answered 404"):
        channels.post(address, "t")
    bad = ("http://127.0.0.1:1/T0KEN", "http://no.invalid/T0KEN", "htp:T0KEN", "http://[T0KEN")
    for address in (*bad, "http://127.0.0.1:x/T0KEN"):
        with pytest.raises(ChannelError) as error:
            channels.get(address)
        assert "T0KEN" not in str(error.value)
        assert error.value.__cause__ is None


def test_a_look_tells_and_a_heartbeat_comes_only_while_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [unit(StateChangeTimestamp="@1", **FAILED)]
    monkeypatch.setattr(units, "read_units", lambda known: seen)
    monkeypatch.setattr(look, "unit_journal", lambda unit: ["it broke"])
    with receiver() as (address, got):
        config = Config("shop", "vps1", webhook=(address,), heartbeat=address + "/beat")
        assert look.look(config, tmp_path)[0] == "nginx.service fails: it ended with status 3"
        assert look.look(config, tmp_path) == []
        assert [one[1]["text"].splitlines()[0] for one in got] == [
            "[shop] vps1: nginx.service fails"
        ]
        seen[:] = [unit()]
        look.look(config, tmp_path)
        assert got[1][1]["text"].startswith("[shop] vps1: nginx.service is well again\n")
        assert got[2:] == ["/T0KEN/beat"]
        look.look(config, tmp_path)
        assert len(got) == 3  # five minutes are not over
    assert T0KEN_in(tmp_path) == []


def T0KEN_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if "T0KEN" in file.read_text()]


def test_a_unit_that_is_ignored_since_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        units, "read_units", lambda known: [unit(StateChangeTimestamp="@1", **FAILED)]
    )
    monkeypatch.setattr(look, "unit_journal", lambda unit: [])
    look.look(Config("shop", "vps1"), tmp_path)
    assert look.load(tmp_path).open
    assert look.look(Config("shop", "vps1", ignore=("nginx*",)), tmp_path) == []
    assert not look.load(tmp_path).open


def test_nobody_is_told_where_there_is_no_file(tmp_path: Path) -> None:
    assert load(tmp_path / "alerts.json") == Config()
    (tmp_path / "alerts.json").write_text(json.dumps({"site": "shop", "email": ["a@b.example"]}))
    assert load(tmp_path / "alerts.json").channels == {"email": "e-mail to a@b.example"}
    with pytest.raises(ChannelError, match="no mail server is known"):
        channels.send(load(tmp_path / "alerts.json"), "email", "s", "t")
    with pytest.raises(ChannelError, match="no longer in the settings"):
        channels.send(Config(), "webhook-1", "s", "t")


def test_newest_kernel_of_the_running_flavour() -> None:
    here = ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.12.0-1-cloud-amd64", "6.1.0-11-rt"]
    assert updates.newest_kernel(here, "6.1.0-9-amd64") == "6.12.0-1-cloud-amd64"
    assert updates.newest_kernel(here[:2], "6.1.0-10-amd64") == ""
    assert updates.newest_kernel(here, "6.0-host") == ""  # a kernel of somebody else's


def test_services_that_run_replaced_files(tmp_path: Path) -> None:
    line = "7f0-7f1 r-xp 00000000 00:2a 1234   "
    for number, group, mapped in (
        (1, "0::/system.slice/nginx.service", "/usr/lib/libssl.so.3 (deleted)"),
        (2, "0::/system.slice/system-pg.slice/pg@17.service", "/usr/lib/libc.so.6 (deleted)"),
        (3, "0::/system.slice/shop-web@blue.service", "/srv/shop/x.so (deleted)"),
        (4, "0::/system.slice/cron.service", "/usr/lib/libc.so.6"),
        (5, "0::/user.slice/user-0.slice/session-1.scope", "/usr/lib/libc.so.6 (deleted)"),
        (6, "1:name=systemd:/x/system.slice/ssh.service\n0::/", "/usr/sbin/sshd (deleted)"),
    ):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cgroup").write_text(f"{group}\n")
        (tmp_path / str(number) / "maps").write_text(f"{line}/dev/zero (deleted)\n{line}{mapped}\n")
    assert updates.outdated_services(tmp_path) == ["nginx.service", "pg@17.service", "ssh.service"]


def test_the_command_says_what_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = "\n".join(f"{key}={value}" for key, value in unit(**FAILED).items())
    monkeypatch.setattr(system, "run", lambda *argv: type("Done", (), {"stdout": shown}))
    monkeypatch.setattr(installed, "mark_in_use", lambda: None)
    monkeypatch.setattr("sys.argv", ["espalier-alerts", "status", "--json"])
    assert cli.main() == 0
    answer = json.loads(capsys.readouterr().out)
    assert [one["unit"] for one in answer["failing"]] == ["nginx.service"]
    monkeypatch.setattr("sys.argv", ["espalier-alerts", "test"])
    assert cli.main() == 0
    assert capsys.readouterr().out == "Nobody is told: the inventory has no `alerts`.\n"


def certificate(folder: Path, days: int) -> Path:
    """A machine's certificate that ends so many days from now."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True)
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += [
        "-nodes",
        "-days",
        str(days),
        "-subj",
        "/CN=x",
        "-keyout",
        str(folder / "machine.key"),
    ]
    subprocess.run([*words, "-out", str(folder / "machine.crt")], check=True, capture_output=True)
    return folder / "machine.crt"


def test_the_end_of_a_machine_s_certificate_is_told_60_days_before(tmp_path: Path) -> None:
    assert ends.ending(tmp_path) == ""
    old = certificate(tmp_path / "01", 59)
    day = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=59)
    assert ends.ending(tmp_path) == f"{day:%Y-%m-%d}"
    assert ends.ending(tmp_path, day - datetime.timedelta(days=61)) == ""
    os.utime(old, (NOW, NOW))
    certificate(tmp_path / "02", 700)  # the one that is in use since
    assert ends.ending(tmp_path) == ""
    (tmp_path / "02/machine.crt").write_text("none")
    assert ends.ending(tmp_path) == ""


@pytest.mark.parametrize(("days", "expected"), [(59, True), (61, False)])
def test_the_end_of_the_authority_is_told_from_that_of_a_certificate(
    days: int, expected: bool, tmp_path: Path
) -> None:
    assert ends.is_authority_ending(tmp_path) is False
    certificate(tmp_path / "authority", days).rename(tmp_path / "authority.crt")
    assert ends.is_authority_ending(tmp_path) is expected
