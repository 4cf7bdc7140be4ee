"""Record a machine: a line of JSON each second, and what is known only at the end."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from espalier_machine.insight import flag
from espalier_machine.insight.log import Log
from espalier_machine.insight.machine import Clock, Machine
from espalier_machine.insight.options import Options

_CHUNK = 500  # requests a line: all at once would be most of this program's memory
_LOOK = 0.1  # seconds between two looks at PostgreSQL


class Gone(Exception):
    """Nobody reads what is recorded any more."""


class Stop:
    """Whether somebody has asked for the end: a signal, or the end of standard input."""

    def __init__(self, stream: int) -> None:
        """Watch a stream, and the signals that end a program."""
        self.asked = False
        self._stream = stream
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True

    def wait(self, seconds: float, *sessions: Any) -> list[Any]:
        """Wait until one of the sessions has something to read, or so long; those that do."""
        watched = [self._stream, *sessions] if self._stream >= 0 else list(sessions)
        ready = select.select(watched, [], [], seconds)[0]
        if self._stream in ready:
            ready.remove(self._stream)
            try:
                ended = not os.read(self._stream, 4096)
            except OSError:
                ended = True
            if ended:
                self.asked, self._stream = True, -1
        return ready


def rounded(value: Any) -> Any:
    """The same with six decimals at most: microseconds."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def emit(line: dict[str, Any]) -> None:
    """Print one line; Gone where nobody reads it."""
    try:
        sys.stdout.write(json.dumps(rounded(line), separators=(",", ":")) + "\n")
        sys.stdout.flush()
    except OSError:
        raise Gone from None


def record(options: Options, seconds: float, stop: Stop) -> None:
    """Record for so many seconds, or until somebody asks for the end; then print the end lines."""
    began = time.monotonic()
    with flag.raised() as refresh:
        machine = Machine(options)
        log = Log() if options.requests else None
        try:
            machine.begin_statements()
            emit({"machine": machine.facts()})
            _samples(machine, began + seconds, stop, emit, refresh)
            _end(machine, log, options, began)
        except Gone:
            # Nothing more to print, also not by the interpreter as it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            machine.close()


def _samples(
    machine: Machine,
    end: float,
    stop: Stop,
    emit: Callable[[dict[str, Any]], None],
    refresh: Callable[[], None],
) -> None:
    machine.sample(time.time(), 1.0)  # what counters are compared with
    last = time.monotonic()
    second = Clock()
    look = Clock(_LOOK)
    asked = False
    while not stop.asked and last + second.left() < end + 0.5:
        left = second.left()
        if left <= 2 * _LOOK and not asked:  # so that answers are there at the end of the second
            asked = True
            if machine.postgresql:
                machine.postgresql.ask_counters()
            if machine.pgbouncer:
                machine.pgbouncer.ask()
        if machine.postgresql and not look.left():
            machine.postgresql.look()
            look.advance()
        if not left:
            now = time.monotonic()
            emit({"sample": machine.sample(time.time(), now - last)})
            refresh()
            last, asked = now, False
            second.advance()
            if now >= end - 0.05:
                break
            continue
        wait = left if asked else max(0.0, left - 2 * _LOOK)
        if machine.postgresql:
            wait = min(wait, look.left())
        wait_for(machine, stop, wait)


def wait_for(machine: Machine, stop: Stop, seconds: float) -> None:
    """Wait so long, or until answers come, which are taken."""
    known = [one for one in (machine.postgresql, machine.pgbouncer) if one and one.session]
    ready = stop.wait(seconds, *(one.session for one in known))
    for one in known:
        if one.session in ready:
            one.receive()


def _end(machine: Machine, log: Log | None, options: Options, began: float) -> None:
    ended = time.monotonic()
    os.nice(10)  # the rest has no moment that it belongs to
    # A second signal must not cut off what is read now; the connection's end does.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    memory = memory_mb()
    if log:
        for line in _requests(log, options.salt):
            emit(line)
    emit({"statements": machine.statements()})
    cpu = sum(os.times()[:4])
    emit({"cost": {"cpu": cpu / max(ended - began, 1.0), "memory_mb": max(memory, memory_mb())}})
    emit({"errors": machine.errors})
    emit({"end": True})


def _requests(log: Log, salt: str) -> Iterator[dict[str, Any]]:
    every = log.every()
    rows: list[list[Any]] = []
    for row in log.rows(salt, every):
        rows.append(row)
        if len(rows) == _CHUNK:
            yield {"requests": {"every": every, "rows": rows}}
            rows = []
    yield {"requests": {"every": every, "rows": rows}}


def memory_mb() -> float:
    """The most that this process was resident with; its children end within a moment."""
    text = Path("/proc/self/status").read_text()
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
