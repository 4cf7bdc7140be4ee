"""What the program keeps between its runs, and its lock."""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from espalier_machine.uploads_backup import config
from espalier_machine.uploads_backup.errors import BackupError

PATIENCE = 3 * 3600.0  # seconds: a night of removing and checking takes that long at most
SOON = 600.0  # seconds: somebody waits for a restore, and the site is closed
PAUSE = 0.5  # seconds between two tries


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
        looked: when the destination was last seen to have what was given to it.
        lost: that it has not, as a sentence; "" where it has.
        warning: what is not wrong, and not well either; "" for nothing.
    """

    repository: str = ""
    snapshot: dict[str, Any] = dataclasses.field(default_factory=dict)
    error: str = ""
    failed: float = 0
    forgot: dict[str, Any] = dataclasses.field(default_factory=dict)
    sampled: dict[str, Any] = dataclasses.field(default_factory=dict)
    looked: float = 0
    lost: str = ""
    warning: str = ""

    @property
    def has_saved(self) -> bool:
        """Whether the destination has had something."""
        return bool(self.snapshot or self.forgot.get("snapshots"))

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
def locked(what: str = "", patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of this program.

    Args:
        what: is done meanwhile, for whoever waits for it.
        patience: seconds to wait for whoever holds it.

    Raises:
        BackupError: it is held for longer.
    """
    with (home() / "lock").open("a+") as file:
        until = time.monotonic() + patience
        while not _is_taken(file.fileno()):
            if time.monotonic() >= until:
                raise BackupError(f"{_holder(file)} works with the backups of uploads.")
            time.sleep(PAUSE)
        file.truncate(0)
        file.write(json.dumps({"what": what, "pid": os.getpid(), "since": time.time()}))
        file.flush()
        yield


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: TextIO) -> str:
    """Who holds the lock, and since when."""
    file.seek(0)
    try:
        found = json.loads(file.read())
        command = f"uploads-backup {found['what']}".rstrip()
        return f"`{command}` (process {found['pid']}, since {words(found['since'])})"
    except (ValueError, KeyError, TypeError):
        return "Another `uploads-backup`"


def words(seconds: float) -> str | None:
    """A time for people and programs, in UTC; None for never."""
    if not seconds:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
