"""A machine's memory: of its own cgroup where that has a limit or is a container's, else /proc."""

from __future__ import annotations

import re
from pathlib import Path

from espalier_machine.insight.cgroups import UNIFIED, Cgroups
from espalier_machine.insight.files import Differences, Kept

_MIB = 1 << 20
_NO_LIMIT = 1 << 60  # what version 1 says where there is none, and more than any machine has
_MEMINFO = re.compile(r"^(\w+):\s+(\d+) kB", re.MULTILINE)


class OfCgroup:
    """The limit and the events of one cgroup, of either version."""

    def __init__(self, cgroups: Cgroups, path: str = "") -> None:
        """Take a unit's path, or "" for the machine."""
        v1 = cgroups.of("memory", path)
        v2 = cgroups.of(UNIFIED, path) if not v1 else None
        self.directory = v1 or v2
        self._is_v1 = v1 is not None
        folder = self.directory or Path("/nonexistent")
        names = ("memory.usage_in_bytes", "memory.failcnt", "memory.oom_control")
        if not self._is_v1:
            names = ("memory.current", "memory.events", "memory.events")
        self._usage, self._hits, self._killed = (Kept(folder / name) for name in names)
        self._stat = Kept(folder / "memory.stat")
        self._limit = folder / ("memory.limit_in_bytes" if self._is_v1 else "memory.max")

    def limit_mb(self) -> float | None:
        """MiB, or None where it has no limit."""
        file = Kept(self._limit)
        limit = file.number()
        file.close()
        return limit / _MIB if limit is not None and limit < _NO_LIMIT else None

    def events(self) -> dict[str, int]:
        """How often the limit was hit, and how many processes were ended for it."""
        if self._is_v1:
            hits, killed = self._hits.number() or 0, self._killed.fields().get("oom_kill", 0)
            return {"limit_hits": hits, "killed": killed}
        found = self._hits.fields()
        return {"limit_hits": found.get("max", 0), "killed": found.get("oom_kill", 0)}

    def stat(self) -> dict[str, int]:
        """memory.stat, by the names of version 2."""
        found = self._stat.fields()
        if self._is_v1:
            found = {k[6:]: v for k, v in found.items() if k.startswith("total_")}
        return found

    def used(self) -> int:
        """Bytes, file pages included."""
        return self._usage.number() or 0

    def close(self) -> None:
        """Close its files."""
        for file in (self._usage, self._hits, self._killed, self._stat):
            file.close()


class Memory:
    """The machine's memory."""

    def __init__(self, cgroups: Cgroups, is_container: bool, proc: Path = Path("/proc")) -> None:
        """Choose what is read."""
        self._meminfo, self._vmstat = Kept(proc / "meminfo"), Kept(proc / "vmstat")
        self._own = OfCgroup(cgroups)
        self._limit = self._own.limit_mb()
        self._is_own = self._own.directory is not None and (is_container or self._limit is not None)
        # Version 1 counts what hits a limit for each cgroup alone, not for those above it.
        self.counts_alone = self._is_own and not cgroups.is_pure_v2
        self._differences = Differences()

    @property
    def total_mb(self) -> float:
        """What the machine may use."""
        total = self._of_proc().get("MemTotal", 0) / 1024
        return round(min(total, self._limit or total), 1)

    def _of_proc(self) -> dict[str, int]:
        return {name: int(value) for name, value in _MEMINFO.findall(self._meminfo.read())}

    def _counters(self) -> tuple[float, dict[str, int]]:
        available = self._of_proc().get("MemAvailable", 0) / 1024
        if not self._is_own:
            found = self._vmstat.fields()
            return available, {
                "swapped_in": found.get("pswpin", 0),
                "major_faults": found.get("pgmajfault", 0),
                "refaults": found.get("workingset_refault_file", 0),
                "limit_hits": 0,
                "killed": found.get("oom_kill", 0),
            }
        stat = self._own.stat()
        if self._limit is not None:
            held = (self._own.used() - stat.get("inactive_file", 0)) / _MIB
            available = min(available, max(self._limit - held, 0.0))
        return available, self._own.events() | {
            "swapped_in": stat.get("pswpin", 0),
            "major_faults": stat.get("pgmajfault", 0),
            "refaults": stat.get("workingset_refault_file", 0),
        }

    def sample(self, dt: float) -> dict[str, float]:
        """recording.Memory: what is available now, and rates since the last call."""
        available, counters = self._counters()
        grown = self._differences(**counters)
        return {"available_mb": available} | {n: v / dt for n, v in grown.items()}
