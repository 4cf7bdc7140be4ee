"""The busiest disk (Documentation/admin-guide/iostats.rst)."""

from __future__ import annotations

from pathlib import Path

from espalier_machine.insight.files import Kept

_SECTORS = 2048  # of 512 bytes in a MiB
_NOT_REAL = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")


class Disks:
    """All disks of the machine, without partitions and what is laid over disks."""

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        """Find them."""
        self._file = Kept(proc / "diskstats")
        block = sys / "block"
        names = [path.name for path in block.iterdir()] if block.is_dir() else []
        self._names = {name for name in names if not name.startswith(_NOT_REAL)}
        self._last: dict[str, list[int]] = {}

    def sample(self, dt: float) -> dict[str, float]:
        """recording.Disk of the disk that was busiest since the last call; {} without one."""
        found: dict[str, list[int]] = {}
        for line in self._file.read().splitlines():
            words = line.split()
            if len(words) >= 14 and words[2] in self._names:
                found[words[2]] = [int(word) for word in words[3:14]]
        shown: dict[str, float] = {}
        for name, now in found.items():
            before = self._last.get(name, now)
            grown = [max(0, a - b) for a, b in zip(now, before, strict=True)]
            reads, _, sectors_read, reading, writes, _, sectors_written, writing, _, io, held = (
                grown
            )
            busy = min(io / 1000 / dt, 1.0)
            if not shown or busy > shown["busy"]:
                shown = {
                    "busy": busy,
                    "reads": reads / dt,
                    "writes": writes / dt,
                    "read_mb": sectors_read / _SECTORS / dt,
                    "written_mb": sectors_written / _SECTORS / dt,
                    "wait": (reading + writing) / 1000 / max(reads + writes, 1),
                    "queue": held / 1000 / dt,
                }
        self._last = found
        return shown
