"""The whole program as a process of its own, out of its zipapp: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from espalier.insight import readings, recording
from espalier.wiring.programs import program
from espalier_machine.insight import cli, flag
from espalier_machine.insight.options import OptionsError, parse

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it reads what only root may")

# A directory of the tests' instead of the machine's.
RUN = """
import pathlib, sys
from espalier_machine.insight import cli, flag, log
assert ".pyz/" in cli.__file__
flag.raised.__wrapped__.__defaults__ = (pathlib.Path(sys.argv[1]) / "flag",)
log.Log.__init__.__defaults__ = (pathlib.Path(sys.argv[1]) / "access.log",)
sys.exit(cli.main(sys.argv[2:]))
"""
OPTIONS = {"project": "shop", "units": {"django": ["absent.service"]}, "requests": True}
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    zipapp = tmp_path / "insight.pyz"
    zipapp.write_bytes(program("espalier-insight").content)
    made: list[subprocess.Popen[str]] = []

    def start(seconds: int = 60, **options: Any) -> subprocess.Popen[str]:
        words = ["record", "--seconds", str(seconds), "--options", json.dumps(OPTIONS | options)]
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", RUN, str(tmp_path), *words],
            env=os.environ | {"PYTHONPATH": str(zipapp)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        made.append(process)
        return process

    yield start
    for process in made:
        process.kill()
        process.communicate()


def first_sample(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What it prints up to its first sample."""
    assert process.stdout
    return [json.loads(process.stdout.readline()) for _ in range(2)]


def rest(process: subprocess.Popen[str], seconds: float = 5) -> str:
    """What it prints until it ends, which is within so many seconds; its input stays open."""
    assert process.stdout
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    out = process.stdout.read()
    assert process.wait() == 0
    timer.cancel()
    return out


def test_it_prints_what_a_recording_consists_of(start: Start, tmp_path: Path) -> None:
    request = {
        "time": "2026-12-01T04:15:00+00:00",
        "method": "GET",
        "host": "shop.example",
        "uri": "/a/",
        "status": 200,
        "bytes": 1,
        "request_time": 0.1,
    }
    (tmp_path / "access.log").write_text(json.dumps(request | {"uri": "/before/"}) + "\n")
    process = start(3)
    lines = first_sample(process)
    assert (tmp_path / "flag/on").exists()
    with (tmp_path / "access.log").open("a") as file:
        file.write(json.dumps(request) + "\n")
    out = rest(process, 20)
    assert not (tmp_path / "flag/on").exists()
    lines += [json.loads(line) for line in out.splitlines()]
    kinds = [next(iter(line)) for line in lines]
    ends = ["requests", "statements", "cost", "errors", "end"]
    assert kinds == ["machine", "sample", "sample", "sample", *ends]

    # Every name is one that a recording knows.
    for part in (recording.Machine, readings.Sample, readings.Service):
        assert set(names(lines, part)) <= set(part.model_fields), part
    machine = recording.Machine.model_validate(
        lines[0]["machine"]
        | {"samples": [line["sample"] for line in lines if "sample" in line]}
        | {"requests": lines[4]["requests"]["rows"], "cost": lines[6]["cost"]}
    )
    assert [one.path for one in machine.requests] == ["/a/"]
    assert machine.cores > 0 and machine.memory_mb > 100
    assert machine.samples[1].t - machine.samples[0].t == pytest.approx(1, abs=0.2)
    assert machine.samples[0].dt == pytest.approx(1, abs=0.2)
    assert machine.samples[0].memory.available_mb > 10
    assert machine.cost["memory_mb"] < 20
    assert lines[7]["errors"] == []


def names(lines: list[dict[str, Any]], part: type[Any]) -> Iterator[str]:
    for line in lines:
        if part is recording.Machine:
            yield from line.get("machine", {})
        elif part is readings.Sample:
            yield from line.get("sample", {})
        else:
            for service in line.get("sample", {}).get("services", {}).values():
                yield from service


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_it_with_all_that_is_known(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = start()
    first_sample(process)
    process.send_signal(number)
    assert json.loads(rest(process).splitlines()[-1]) == {"end": True}
    assert not (tmp_path / "flag/on").exists()


def test_end_of_its_input_ends_it_with_all_that_is_known(start: Start, tmp_path: Path) -> None:
    process = start()
    first_sample(process)
    assert process.stdin and process.stdout
    process.stdin.close()
    process.stdin = None
    assert json.loads(rest(process).splitlines()[-1]) == {"end": True}
    assert not (tmp_path / "flag/on").exists()


def test_it_ends_where_nobody_reads_it(start: Start, tmp_path: Path) -> None:
    process = start()
    first_sample(process)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.wait(timeout=5) == 0
    assert process.stderr.read() == ""
    assert not (tmp_path / "flag/on").exists()
    process.stdout = None


def test_of_two_the_last_one_takes_the_flag_down(start: Start, tmp_path: Path) -> None:
    processes = [start(), start()]
    for process in processes:
        first_sample(process)
    processes[0].terminate()
    rest(processes[0])
    # The other one makes it anew with its next second.
    end = time.monotonic() + 10
    while not (tmp_path / "flag/on").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    processes[1].terminate()
    rest(processes[1])
    assert not (tmp_path / "flag/on").exists()


def test_flag_is_kept_fresh_until_one_is_killed(start: Start, tmp_path: Path) -> None:
    killed = start()
    first_sample(killed)
    flag_file = tmp_path / "flag/on"
    os.utime(flag_file, (0, 0))
    end = time.monotonic() + 10
    while flag_file.stat().st_mtime < time.time() - 5:
        assert time.monotonic() < end
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    os.utime(flag_file, (0, 0))
    time.sleep(1.5)
    assert flag_file.stat().st_mtime == 0


def test_flag_is_readable_by_djangos_user_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with flag.raised(tmp_path / "flag"):
            modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("flag", "flag/on")]
    finally:
        os.umask(before)
    assert modes == [0o755, 0o644]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[]", 'with "project"'),
        ('{"project": "a", "units": []}', "must be of type dict"),
        ('{"project": "a", "units": {"django": "web.service"}}', "needs a list"),
        ('{"project": "a", "requests": "yes"}', "must be of type bool"),
    ],
)
def test_wrong_options_are_refused(text: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OptionsError, match=why):
        parse(text)
    assert cli.main(["record", "--seconds", "1", "--options", text]) == 2
    assert why in capsys.readouterr().err


def test_options_of_a_newer_control_machine_are_read() -> None:
    found = parse('{"project": "shop", "new": 1, "units": {"pgbouncer": ["pgbouncer.service"]}}')
    assert found.database == "shop"
    assert found.has("pgbouncer") and not found.has("redis", "queue")
    # The entrance of a tunnel to redis is no redis.
    assert not parse('{"project": "shop", "units": {"redis_tunnel": ["haproxy.service"]}}').has(
        "redis"
    )


def test_recording_takes_its_share_of_the_machine_at_most(start: Start) -> None:
    out = rest(start(10), 30)
    (cost,) = (json.loads(line)["cost"] for line in out.splitlines() if '"cost"' in line)
    assert cost["memory_mb"] < 20
    # Of ten seconds its start is a large part; it is measured over minutes elsewhere.
    assert cost["cpu"] < 0.05
