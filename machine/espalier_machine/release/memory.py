"""How much memory is free, and what a process's cgroup has taken, as cgroups and /proc tell it."""

from __future__ import annotations

import dataclasses
import re
from contextlib import suppress
from pathlib import Path

MEGABYTE = 1 << 20
UNLIMITED = 1 << 60  # version 1 writes a number beyond any memory where it sets no limit
# In version 2 of cgroups, and in version 1.
LIMIT = ("memory.max", "memory.limit_in_bytes")
USED = ("memory.current", "memory.usage_in_bytes")
PEAK = ("memory.peak", "memory.max_usage_in_bytes")
EVENTS = ("memory.events", "memory.oom_control")
# Pages that the kernel gives back when they are wanted. Version 1 has sums in names of their own.
CACHED = r"^(?:inactive_file|active_file|slab_reclaimable) (\d+)$"
CACHED_OF_VERSION_1 = r"^total_(?:in)?active_file (\d+)$"
ROOT = Path("/")


@dataclasses.dataclass(frozen=True)
class Memory:
    """Memory in bytes: what there is, what is free or can be given back, and free swap."""

    total: int
    available: int
    swap: int

    def __str__(self) -> str:
        """The figures for a person."""
        swap = f" and {self.swap // MEGABYTE} MB of swap" if self.swap else ", without swap"
        free, total = self.available // MEGABYTE, self.total // MEGABYTE
        return f"{free} MB of this machine's {total} MB were free{swap}"


@dataclasses.dataclass(frozen=True)
class Taken:
    """What a cgroup has taken: its peak in bytes (0: unknown), and processes killed for memory."""

    peak: int
    kills: int


def cgroups(pid: str = "self", root: Path = ROOT) -> list[Path]:
    """The memory cgroup of a process and those above it, as far as they can be seen here."""
    text = (root / f"proc/{pid}/cgroup").read_text()
    rows = [line.split(":", 2) for line in text.splitlines()]
    base, old = root / "sys/fs/cgroup", [row for row in rows if "memory" in row[1].split(",")]
    if old:
        base /= "memory"
    path = (old or [row for row in rows if row[0] == "0"] or [["", "", ""]])[0][2]
    lowest = base / path.lstrip("/")
    return [one for one in (lowest, *lowest.parents) if one.is_relative_to(base) and one.is_dir()]


def number(folder: Path, names: tuple[str, ...]) -> int | None:
    """A figure of a cgroup under whichever name; None where there is none, or no limit."""
    for name in names:
        with suppress(OSError, ValueError):
            if (value := int((folder / name).read_text())) < UNLIMITED:
                return value
    return None


def cached(folder: Path) -> int:
    """Bytes of a cgroup and those below it that the kernel can give to others."""
    with suppress(OSError):
        text = (folder / "memory.stat").read_text()
        pattern = CACHED_OF_VERSION_1 if "\ntotal_" in text else CACHED
        return sum(int(size) for size in re.findall(pattern, text, re.MULTILINE))
    return 0


def read(root: Path = ROOT) -> Memory:
    """What may be reckoned with: /proc knows the machine, cgroups a part; the less counts."""
    pairs = re.findall(r"^(\w+): +(\d+) kB$", (root / "proc/meminfo").read_text(), re.MULTILINE)
    known = {name: int(size) * 1024 for name, size in pairs}
    total, available = known["MemTotal"], known["MemAvailable"]
    for folder in cgroups(root=root):
        if (limit := number(folder, LIMIT)) is not None:
            left = limit - (number(folder, USED) or 0) + cached(folder)
            total, available = min(total, limit), min(available, max(0, left))
    return Memory(total, available, known.get("SwapFree", 0))


def taken(pid: str = "self", root: Path = ROOT) -> Taken:
    """What the cgroup of a process has taken, with all that ran in it."""
    peak, text = 0, ""
    with suppress(OSError, IndexError):
        folder = cgroups(pid, root)[0]
        peak = number(folder, PEAK) or 0
        text = "".join((folder / name).read_text() for name in EVENTS if (folder / name).exists())
    return Taken(peak, sum(int(count) for count in re.findall(r"^oom_kill (\d+)", text, re.M)))


@dataclasses.dataclass(frozen=True)
class Faults:
    """Whether a cgroup is at its limit, and how many pages it has read from disk since it began."""

    at_limit: bool
    major: int


def faults(pid: str, root: Path = ROOT) -> Faults:
    """The page faults of a process's cgroup that had to wait for the disk."""
    with suppress(OSError, IndexError):
        folder = cgroups(pid, root)[0]
        limit, used = number(folder, LIMIT), number(folder, USED)
        text = (folder / "memory.stat").read_text()
        found = re.search(r"^total_pgmajfault (\d+)", text, re.M) or re.search(
            r"^pgmajfault (\d+)", text, re.M
        )
        if limit and used and found:
            return Faults(used > limit * 0.95, int(found[1]))
    return Faults(False, 0)
