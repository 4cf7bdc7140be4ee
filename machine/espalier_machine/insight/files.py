"""Files of the kernel that are read every second: opened once, and read again from their start."""

from __future__ import annotations

import os
from pathlib import Path


class Kept:
    """One such file. Where it is gone, reading gives "" and the next reading tries to open it."""

    def __init__(self, path: Path | str) -> None:
        """Remember where it is; it is opened when it is read."""
        self.path = str(path)
        self._descriptor = -1

    def read(self, size: int = 65536) -> str:
        """Its first `size` bytes as they are now; "" where it cannot be read."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._descriptor, size, 0).decode(errors="replace")
        except OSError:
            self.close()
            return ""

    def number(self) -> int | None:
        """The whole number that it holds; None for "max" or none."""
        text = self.read().strip()
        return int(text) if text.lstrip("-").isdigit() else None

    def fields(self) -> dict[str, int]:
        """Its lines of a name and a whole number."""
        found = {}
        for line in self.read().splitlines():
            name, _, value = line.partition(" ")
            if value.strip().isdigit():
                found[name] = int(value)
        return found

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_text(path: Path) -> str:
    """A small file, once; "" where it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


class Differences:
    """What counters grew by since they were given last."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._last: dict[str, float] = {}

    def __call__(self, **counters: float) -> dict[str, float]:
        """Growth by name; 0 at the first time, and where a counter began anew."""
        grown = {n: max(0.0, v - self._last.get(n, v)) for n, v in counters.items()}
        self._last |= counters
        return grown
