"""PSI: the share of time in which tasks waited (Documentation/accounting/psi.rst)."""

from __future__ import annotations

import re
from pathlib import Path

from espalier_machine.insight.cgroups import UNIFIED, Cgroups
from espalier_machine.insight.files import Differences, Kept

_TOTAL = re.compile(r"^(some|full) .*total=(\d+)", re.MULTILINE)
_READINGS = ("cpu_some", "memory_some", "memory_full", "io_some", "io_full")


def totals(text: str) -> dict[str, int]:
    """Microseconds by `some` and `full`."""
    return {kind: int(total) for kind, total in _TOTAL.findall(text)}


class Pressure:
    """The machine's: of /proc/pressure, in a container of its own cgroup of version 2."""

    def __init__(self, cgroups: Cgroups, is_container: bool, proc: Path = Path("/proc")) -> None:
        """Choose the files; there are none in a container without version 2."""
        own = cgroups.of(UNIFIED) if is_container else None
        self._files: dict[str, Kept] = {}
        for kind in ("cpu", "memory", "io"):
            path = own / f"{kind}.pressure" if own else proc / "pressure" / kind
            if not is_container or own:
                self._files[kind] = Kept(path)
        self._differences = Differences()

    def sample(self, dt: float) -> dict[str, float | None]:
        """recording.Pressure: shares of the time since the last call; None where untold."""
        found: dict[str, float] = {}
        for kind, file in self._files.items():
            found |= {f"{kind}_{name}": total for name, total in totals(file.read()).items()}
        grown = self._differences(**found)
        return {n: min(grown[n] / 1e6 / dt, 1.0) if n in found else None for n in _READINGS}
