"""What each service of the topology takes: the processes in the cgroups of its units."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from espalier_machine.insight.cgroups import Cgroups
from espalier_machine.insight.files import Differences, Kept
from espalier_machine.insight.memory import OfCgroup
from espalier_machine.insight.processes import THREADS, Process, Reading
from espalier_machine.insight.processor import Reader, of_cgroup

LOOKED = 10.0  # seconds until units are asked for their cgroups again: a release changes them
_BUSIEST = 16
_PATIENCE = 3  # seconds


def unit_cgroups(units: Iterable[str]) -> list[str]:
    """What systemd calls the cgroups of those units that run; patterns as `web@*` may be among."""
    words = ["systemctl", "show", "--property=ControlGroup", "--value", "--", *units]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return sorted({line.strip() for line in done.stdout.splitlines() if line.strip()})


class Unit:
    """One unit's cgroup."""

    def __init__(self, cgroups: Cgroups, path: str) -> None:
        """Take what systemd calls it."""
        members = cgroups.members(path)
        self._members = members
        self._procs = Kept((members or Path("/nonexistent")) / "cgroup.procs")
        self.processor: Reader | None = of_cgroup(cgroups, path)
        self.memory = OfCgroup(cgroups, path)

    def pids(self) -> list[int]:
        """Its processes, those in cgroups below it too."""
        found = [int(word) for word in self._procs.read().split() if word.isdigit()]
        if not found and self._members:  # a unit may divide its cgroup among its processes
            for path in self._members.glob("*/cgroup.procs"):
                file = Kept(path)
                found += [int(word) for word in file.read().split() if word.isdigit()]
                file.close()
        return found

    def close(self) -> None:
        """Close its files."""
        self._procs.close()
        self.memory.close()


class Service:
    """All units of one service."""

    def __init__(self, cgroups: Cgroups, units: list[str], proc: Path = Path("/proc")) -> None:
        """Take the names of its units; those that do not run now may do so later."""
        self._cgroups, self._units, self._proc = cgroups, units, proc
        self.running: dict[str, Unit] = {}
        self._processes: dict[int, Process] = {}
        self._last: dict[int, Reading] = {}
        self._throttled = Differences()
        self._events = Differences()
        self._looked = 0.0

    def look(self) -> None:
        """Ask systemd for the cgroups of its units."""
        self._looked = time.monotonic()
        found = unit_cgroups(self._units) if self._units else []
        for path in set(self.running) - set(found):
            self.running.pop(path).close()
        for path in found:
            if path not in self.running:
                self.running[path] = Unit(self._cgroups, path)

    def quota(self) -> float | None:
        """Cores of its own quota: of all its units, or None where one of them has none."""
        found = [u.processor.quota() if u.processor else None for u in self.running.values()]
        limits = [quota for quota in found if quota is not None]
        return sum(limits) if limits and len(limits) == len(found) else None

    def memory_limit(self) -> float | None:
        """MiB likewise."""
        found = [u.memory.limit_mb() for u in self.running.values()]
        limits = [limit for limit in found if limit is not None]
        return sum(limits) if limits and len(limits) == len(found) else None

    def sample(self, dt: float, threads: int = THREADS) -> tuple[dict[str, Any], dict[str, float]]:
        """recording.Service since the last call, and events of its memory limits per second.

        `threads` is how many may be watched. A process counts from its start if it began meanwhile;
        one that was found late, as of a unit that was started anew, from now on.
        """
        now = time.monotonic()
        pids = [pid for unit in self.running.values() for pid in unit.pids()]
        has_vanished = bool(self.running) and not pids
        if now - self._looked >= LOOKED or (has_vanished and now - self._looked >= 1):
            self.look()
            pids = [pid for unit in self.running.values() for pid in unit.pids()]
        for pid in set(self._processes) - set(pids):
            self._forget(pid)
        readings: dict[int, Reading] = {}
        for pid in pids:
            process = self._processes.setdefault(pid, Process(self._proc / str(pid)))
            reading = process.read(now, max(threads, 0))
            if reading is None:
                self._forget(pid)
                continue
            threads -= len(process.threads)
            readings[pid] = reading
        none = Reading(0.0, 0.0, 0, 0.0, 0.0)
        since = time.clock_gettime(time.CLOCK_BOOTTIME) - dt - 0.05
        cores, waiting, faults = [], 0.0, 0.0
        for pid, reading in readings.items():
            before = self._last.get(pid, none if reading.began >= since else reading)
            cores.append(max(0.0, reading.cpu - before.cpu) / dt)
            waiting += max(0.0, reading.waiting - before.waiting)
            faults += max(0, reading.faults - before.faults)
        self._last = readings
        ran = sorted((value for value in cores if value > 0), reverse=True)
        return {
            "cpu": sum(cores),
            "waiting": waiting / dt,
            "throttled": min(self._held_back() / dt, 1.0),
            "memory_mb": resident(readings.values()),
            "processes": ran[:_BUSIEST],
            "process_count": len(ran),
            "major_faults": faults / dt,
        }, {name: value / dt for name, value in self._limit_events().items()}

    def watched(self) -> int:
        """How many threads it has open."""
        return sum(len(process.threads) for process in self._processes.values())

    def _held_back(self) -> float:
        counts = {p: u.processor.seconds() for p, u in self.running.items() if u.processor}
        return sum(self._throttled(**{p: c["throttled"] for p, c in counts.items()}).values())

    def _limit_events(self) -> dict[str, float]:
        counts = {
            f"{name} {path}": value
            for path, unit in self.running.items()
            if unit.memory.directory
            for name, value in unit.memory.events().items()
        }
        found: dict[str, float] = {}
        for name, value in self._events(**counts).items():
            kind = name.partition(" ")[0]
            found[kind] = found.get(kind, 0.0) + value
        return found

    def _forget(self, pid: int) -> None:
        process = self._processes.pop(pid, None)
        if process:
            process.close()


def resident(readings: Iterable[Reading]) -> float:
    """MiB that processes hold together: what each has for itself, and the most that one shares.

    Processes of one service share the same pages: a program's code, PostgreSQL's buffers.
    """
    found = list(readings)
    own = sum(max(0.0, reading.resident_mb - reading.shared_mb) for reading in found)
    return own + max((reading.shared_mb for reading in found), default=0.0)
