"""One look at the machine: what fails is told, what was told and is over is told, what waits is
tried again, and the heartbeat is sent while all is well.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from espalier_machine.alerts import channels, findings, outbox, units
from espalier_machine.alerts.channels import ChannelError
from espalier_machine.alerts.config import Config
from espalier_machine.alerts.decide import State, decide
from espalier_machine.alerts.message import message, unit_journal

DIRECTORY = Path("/var/lib/espalier/alerts")
HEARTBEAT = 285  # seconds: every fifth minute of a timer that comes each minute


def look(config: Config, directory: Path = DIRECTORY) -> list[str]:
    """Look once; gives lines for the journal."""
    now = time.time()
    with kept(directory) as state:
        timers = units.own_timers()
        seen = units.read_units([*state.running, *timers])
        state.restarts = units.restarts(seen, state.restarts, now)
        paused = units.paused(seen, state.open, now)
        state.running = units.running(seen, state.running, config.site, now, timers, paused)
        failing = units.problems(seen, state.restarts, state.running, config.ignore, now)
        failing = findings.explained(failing, seen)
        for unit in [unit for unit in state.open if units.matches(unit, config.ignore)]:
            del state.open[unit]  # since the last look
        undecided = [unit["Id"] for unit in seen if units.is_undecided(unit)]
        news = decide(state, failing, undecided, now)
        told = [f"{name} fails: {one.what}" for name, one in news.begun.items()]
        told += [f"{name} is well again" for name in news.over]
        if told:
            text = message(config.site, config.machine, news, unit_journal)
            outbox.add(state.outbox, config.channels, text, now)
            save(directory, state)  # before it is sent: whoever ends this, it is sent once more
        state.outbox, lines = outbox.deliver(state.outbox, partial(channels.send, config), now)
        told += lines
        if not state.open and not outbox.is_stuck(state.outbox, now):
            told += heartbeat(config, state, now)
    return told


def heartbeat(config: Config, state: State, now: float) -> Iterator[str]:
    """Send a heartbeat where one is due; yields a line where it could not be sent."""
    if config.heartbeat and now - state.heartbeat >= HEARTBEAT:
        try:
            channels.get(config.heartbeat)
            state.heartbeat = now
        except ChannelError as error:
            yield f"no heartbeat: {error}"


@contextmanager
def kept(directory: Path = DIRECTORY) -> Iterator[State]:
    """The state, for nobody else meanwhile; written at the end."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = load(directory)
        yield state
        save(directory, state)


def load(directory: Path = DIRECTORY) -> State:
    """What was kept; a file that cannot be read counts as none, and all is told anew."""
    with suppress(OSError, ValueError, TypeError):
        return State.from_data(json.loads((directory / "state.json").read_text()))
    return State()


def save(directory: Path, state: State) -> None:
    """Write what is kept, whole or not at all; it may hold lines of logs."""
    fresh = directory / "state.json.new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(state.to_data(), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(directory / "state.json")
