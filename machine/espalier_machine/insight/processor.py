"""What a machine's processor did: its own cgroup's count where it has one, else /proc/stat."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from espalier_machine.insight.cgroups import UNIFIED, Cgroups
from espalier_machine.insight.files import Differences, Kept

_TICKS = os.sysconf("SC_CLK_TCK")


class Reader(Protocol):
    """Seconds since some moment, that only grow; and how many cores may be used."""

    def seconds(self) -> dict[str, float]:
        """`busy`, and of a cgroup `throttled`."""

    def quota(self) -> float | None:
        """Cores, or None without a quota."""


class CgroupV1:
    """The controllers cpu and cpuacct, which may be mounted together or apart."""

    def __init__(self, cpu: Path | None, cpuacct: Path | None) -> None:
        """Take the directories of one cgroup; None where it has none of that controller."""
        self._usage = Kept(cpuacct / "cpuacct.usage") if cpuacct else None
        self._stat = Kept(cpu / "cpu.stat") if cpu else None
        self._cpu = cpu

    def seconds(self) -> dict[str, float]:
        """Nanoseconds in the kernel's files."""
        used = (self._usage.number() or 0) if self._usage else 0
        held = self._stat.fields().get("throttled_time", 0) if self._stat else 0
        return {"busy": used / 1e9, "throttled": held / 1e9}

    def quota(self) -> float | None:
        """cpu.cfs_quota_us / cpu.cfs_period_us; -1 is none."""
        if not self._cpu:
            return None
        quota = Kept(self._cpu / "cpu.cfs_quota_us")
        period = Kept(self._cpu / "cpu.cfs_period_us")
        limit, length = quota.number() or -1, period.number() or 100000
        quota.close()
        period.close()
        return limit / length if limit > 0 else None


class CgroupV2:
    """cpu.stat and cpu.max of one cgroup."""

    def __init__(self, directory: Path) -> None:
        """Take its directory."""
        self._stat = Kept(directory / "cpu.stat")
        self._max = directory / "cpu.max"

    def seconds(self) -> dict[str, float]:
        """Microseconds in the kernel's file."""
        found = self._stat.fields()
        return {
            "busy": found.get("usage_usec", 0) / 1e6,
            "throttled": found.get("throttled_usec", 0) / 1e6,
        }

    def quota(self) -> float | None:
        """`max 100000`, or a quota and its period."""
        file = Kept(self._max)
        words = file.read().split()
        file.close()
        if len(words) != 2 or not words[0].isdigit():
            return None
        return int(words[0]) / int(words[1])


class Stat:
    """/proc/stat: the whole machine, with what its host took of it."""

    def __init__(self, proc: Path) -> None:
        """Take the directory of /proc."""
        self._file = Kept(proc / "stat")

    def seconds(self) -> dict[str, float]:
        """Of the first line, in ticks: user nice system idle iowait irq softirq steal …."""
        words = self._file.read(4096).partition("\n")[0].split()[1:9]
        user, nice, system, _, iowait, irq, softirq, steal = (
            [int(word) / _TICKS for word in words] if len(words) == 8 else [0.0] * 8
        )
        return {
            "busy": user + nice + system + irq + softirq,
            "iowait": iowait,
            "steal": steal,
            "throttled": 0.0,
        }

    def quota(self) -> float | None:
        """A machine has none."""
        return None


class Processor:
    """A machine's processor, in cores."""

    def __init__(
        self, cgroups: Cgroups, is_container: bool, proc: Path = Path("/proc"), cpus: int = 0
    ) -> None:
        """Choose the reader; `cpus` is how many this process may run on, 0 asks the kernel."""
        self._host = Stat(proc)
        self._is_container = is_container
        self._cpus = cpus or len(os.sched_getaffinity(0))
        own = of_cgroup(cgroups)
        limited = own is not None and own.quota() is not None
        self._reader: Reader = own if own is not None and (is_container or limited) else self._host
        self._differences = Differences()

    @property
    def cores(self) -> float:
        """What the machine may use now."""
        quota = self._reader.quota()
        return round(min(self._cpus, quota or self._cpus), 3)

    def sample(self, dt: float) -> dict[str, Any]:
        """recording.Processor, of the seconds since the last call.

        In a container, waiting for a disk is the host's and not told; of what the host lost, the
        container's share by its cores. The kernel adds up throttled time over all cores: a
        second has no more than one.
        """
        host = self._host.seconds()
        own = self._reader.seconds()
        grown = self._differences(**{**own, "steal": host["steal"], "iowait": host["iowait"]})
        share = self.cores / max(os.cpu_count() or 1, 1) if self._is_container else 1.0
        return {
            "busy": grown["busy"] / dt,
            "steal": grown["steal"] / dt * min(share, 1.0),
            "iowait": 0.0 if self._is_container else grown["iowait"] / dt,
            "throttled": min(grown["throttled"] / dt, 1.0),
        }


def of_cgroup(cgroups: Cgroups, path: str = "") -> Reader | None:
    """The reader of a cgroup: the machine's, or a unit's; None where it has none of its own."""
    if cgroups.is_pure_v2:
        directory = cgroups.of(UNIFIED, path)
        return CgroupV2(directory) if directory and (directory / "cpu.stat").exists() else None
    cpu, cpuacct = cgroups.of("cpu", path), cgroups.of("cpuacct", path)
    return CgroupV1(cpu, cpuacct) if cpuacct or (path and cpu) else None
