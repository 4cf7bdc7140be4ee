"""Single processes: what they computed, waited for a core, hold in memory, and faulted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from espalier_machine.insight.files import Kept

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1 << 20
THREADS = 400  # of all processes that are watched for waiting, at most
_THREADS_KEPT = 5.0  # seconds until new threads of a known process are looked for


class Reading(NamedTuple):
    """One process at one moment; seconds and counts since it began."""

    cpu: float
    waiting: float
    faults: int
    resident_mb: float
    shared_mb: float
    began: float = 0.0  # seconds after the machine's start


def parse_stat(text: str) -> tuple[float, int, float] | None:
    """From /proc/PID/stat: seconds of processor time, major faults, and when it began.

    That is in seconds after the machine's start. None where the text is none.
    """
    words = text[text.rfind(")") + 2 :].split()
    if len(words) < 20:
        return None
    cpu = (int(words[11]) + int(words[12])) / _TICKS
    return cpu, int(words[9]), int(words[19]) / _TICKS


def parse_statm(text: str) -> tuple[float, float]:
    """Resident MiB, and which of them are shared, from /proc/PID/statm."""
    words = text.split()
    if len(words) < 3:
        return 0.0, 0.0
    return int(words[1]) * _PAGE / _MIB, int(words[2]) * _PAGE / _MIB


def parse_schedstat(text: str) -> float:
    """Seconds that a thread was ready and waited for a core: the second of three numbers, in ns."""
    words = text.split()
    return int(words[1]) / 1e9 if len(words) >= 2 else 0.0


class Process:
    """The open files of one process. What a thread waited stays counted after its end."""

    def __init__(self, directory: Path) -> None:
        """Take its directory of /proc."""
        self._tasks = directory / "task"
        self.stat, self.statm = Kept(directory / "stat"), Kept(directory / "statm")
        self.threads: dict[str, Kept] = {}
        self.waited: dict[str, float] = {}
        self.ended = 0.0
        self.listed = -_THREADS_KEPT

    def read(self, now: float, threads_left: int) -> Reading | None:
        """What it is now; None where it has ended. Of its threads, at most so many are watched."""
        stat = parse_stat(self.stat.read(1024))
        if stat is None:
            return None
        if now - self.listed >= _THREADS_KEPT:
            self._list_threads(threads_left)
            self.listed = now
        for name, file in self.threads.items():
            self.waited[name] = max(self.waited.get(name, 0.0), parse_schedstat(file.read(128)))
        waiting = self.ended + sum(self.waited.values())
        cpu, faults, began = stat
        return Reading(cpu, waiting, faults, *parse_statm(self.statm.read(128)), began)

    def _list_threads(self, threads_left: int) -> None:
        try:
            names = sorted(os.listdir(self._tasks), key=int)[:threads_left]
        except OSError:
            names = []
        for name in set(self.threads) - set(names):
            self.threads.pop(name).close()
            self.ended += self.waited.pop(name, 0.0)
        for name in names:
            if name not in self.threads:
                self.threads[name] = Kept(self._tasks / name / "schedstat")

    def close(self) -> None:
        """Close its files."""
        for file in (self.stat, self.statm, *self.threads.values()):
            file.close()
