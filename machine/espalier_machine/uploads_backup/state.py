"""What the program keeps between its runs, and its lock."""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier_machine.uploads_backup import config


@dataclass
class State:
    """What is known without asking the repository. Times are seconds since 1970, 0 for never.

    Attributes:
        repository: of which one it is known.
        snapshot: the newest one of this machine, as `save.snapshot` gives it; {} for none.
        error: the sentence of the last try to save, "" where that went well.
        failed: when it failed first, of the tries since one that went well.
        forgot: the last night: time, snapshots, bytes, error; {} for none.
        sampled: the last sample that was compared with the disk, as `sample` has it; {} for none.
    """

    repository: str = ""
    snapshot: dict[str, Any] = dataclasses.field(default_factory=dict)
    error: str = ""
    failed: float = 0
    forgot: dict[str, Any] = dataclasses.field(default_factory=dict)
    sampled: dict[str, Any] = dataclasses.field(default_factory=dict)

    def fails(self, sentence: str, now: float) -> None:
        """Note that a try to save has failed."""
        self.error, self.failed = sentence, self.failed or now

    def succeeds(self) -> None:
        """Note that nothing is unsaved."""
        self.error, self.failed = "", 0


def load(repository: str) -> State:
    """The state; a new one where there is none, or none of this repository."""
    try:
        found = State(**json.loads(file().read_text()))
    except (OSError, ValueError, TypeError):
        return State(repository)
    return found if found.repository == repository else State(repository)


def file() -> Path:
    """Where it is kept."""
    return home() / "state.json"


def save(state: State) -> None:
    """Write the state whole, or not at all."""
    staged = file().with_name(".state.json.new")
    with open(staged, "w") as stream:
        stream.write(json.dumps(dataclasses.asdict(state), indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    staged.rename(file())


def home() -> Path:
    """The program's directory, which is made where it is missing."""
    config.HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    return config.HOME


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of this program; waits for whoever holds it."""
    with (home() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def words(seconds: float) -> str | None:
    """A time for people and programs, in UTC; None for never."""
    if not seconds:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
