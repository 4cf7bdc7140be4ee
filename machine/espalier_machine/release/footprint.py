"""How much memory a web unit's processes hold, and how many of its workers fit beside it."""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from espalier_machine.release.memory import ROOT


@dataclasses.dataclass(frozen=True)
class Footprint:
    """Bytes that the main process holds, and one of its workers with what that has started."""

    main: int
    worker: int

    def fitting(self, room: int) -> int:
        """How many workers fit into `room` bytes, beside a main process of their own."""
        return max(0, (room - self.main) // self.worker)


def parents(root: Path = ROOT) -> dict[int, int]:
    """Every process -> the one that started it."""
    found = {}
    for file in (root / "proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):  # it has ended
            # The name stands in brackets, and may hold some.
            found[int(file.parent.name)] = int(file.read_text().rsplit(")", 1)[1].split()[1])
    return found


def children(pid: int, root: Path = ROOT) -> list[int]:
    """The processes that one has started, and that run still."""
    return sorted(child for child, parent in parents(root).items() if parent == pid)


def tree(pid: int, above: Mapping[int, int]) -> Iterator[int]:
    """A process and all below it; `above` has every process's parent."""
    yield pid
    for child, parent in above.items():
        if parent == pid:
            yield from tree(child, above)


def held(pid: int, root: Path = ROOT) -> int:
    """Bytes that are gone with a process, in memory or swapped; 0 if it has ended.

    Pss shares what several have among them (man 5 proc_pid_smaps). Files are left out: they can be
    read again, and two releases share those of the interpreter and of a virtual environment.
    """
    with suppress(OSError):
        text = (root / f"proc/{pid}/smaps_rollup").read_text()
        rows = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB$", text, re.M)}
        pages = rows.get("Pss", 0) - rows.get("Pss_File", 0) + rows.get("SwapPss", 0)
        return pages * 1024
    return 0


def _is_helper(pid: int, root: Path) -> bool:
    """Whether a process is the one that multiprocessing starts beside others (its source)."""
    with suppress(OSError):
        return b"multiprocessing.resource_tracker" in (root / f"proc/{pid}/cmdline").read_bytes()
    return False


def measure(pid: int, root: Path = ROOT) -> Footprint | None:
    """What a web server holds whose main process is `pid`; None where that cannot be seen.

    Workers grow at different times, and not all children are workers: the median counts. Python's
    own helper, which uvicorn has beside them, is left out. One without children does all the work
    itself. `pid` 0 is a server that does not run: to the kernel,
    that is the parent of process 1.
    """
    if not pid:
        return None
    above = parents(root)
    main = held(pid, root)
    workers = [
        sum(held(one, root) for one in tree(child, above))
        for child, parent in above.items()
        if parent == pid and not _is_helper(child, root)
    ]
    worker = statistics.median_high(workers) if workers else main
    return Footprint(main if workers else 0, worker) if worker else None
