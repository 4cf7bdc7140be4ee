"""espalier measure."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from espalier.cli.duration import Duration, written
from espalier.measuring import session
from espalier.measuring.store import Store
from tests.unit.cli.measuring.running import run


def ends_at_once(machines: SimpleNamespace) -> None:
    machines.script["vps1"] = "cat first last"


def test_measure_tells_the_four_words(inventory: Path, machines: SimpleNamespace) -> None:
    ends_at_once(machines)
    done = run("measure", "-i", inventory, "--for", "20s")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("RESPONSE TIME  median 100 ms, 95% within 100 ms")
    assert lines[2] == "AVAILABILITY   90.0% of 10 requests"
    assert "processor of vps1" in done.stdout
    assert "100% of Django's time: home, 10 requests of 100 ms" in done.stdout
    assert f"`espalier advise -i {inventory}`" in lines[-1]
    kept = Store(inventory).newest()
    assert (kept.purpose, len(kept.machines["vps1"].requests)) == ("measure", 10)
    assert kept.site.workers == {"vps1": 3}


def test_measure_as_json(inventory: Path, machines: SimpleNamespace) -> None:
    ends_at_once(machines)
    done = run("measure", "-i", inventory, "--for", "20s", "--json")
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert told["requests"] == 10
    assert told["available"] == pytest.approx(0.9)
    assert told["recording"] == Store(inventory).names()[0]
    assert told["errors"] == ["vps1: pgbouncer was not asked."]


def test_measure_without_the_program(inventory: Path, machines: SimpleNamespace) -> None:
    machines.script["vps1"] = "exit 127"
    done = run("measure", "-i", inventory)
    assert done.exit_code == 1
    assert "vps1 has no program that records yet. `espalier site`" in done.stderr
    assert Store(inventory).names() == []


@pytest.mark.parametrize(("shortest", "kept"), [(0.1, 1), (600, 0)])
def test_ctrl_c_keeps_what_is_worth_it(
    inventory: Path,
    machines: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    shortest: float,
    kept: int,
) -> None:
    monkeypatch.setattr(session, "SHORTEST", shortest)
    timer = threading.Timer(3, signal.raise_signal, [signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        done = run("measure", "-i", inventory, "--for", "1h")
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert done.exit_code == 130
    names = Store(inventory).names()
    assert len(names) == kept
    if kept:  # what the machine told after the end of its input
        assert len(Store(inventory).newest().machines["vps1"].requests) == 10


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("1h", 3600), ("45", 45), ("1.5m", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["25h", "0s", "soon", "-5m", "10d"])
def test_lengths_that_are_none(inventory: Path, text: str) -> None:
    done = run("measure", "-i", inventory, "--for", text)
    assert done.exit_code == 2
    assert "--for" in done.stderr


def test_durations_are_written_as_they_are_typed() -> None:
    assert [written(one) for one in (30, 600, 3600, 90)] == ["30s", "10m", "1h", "90s"]
