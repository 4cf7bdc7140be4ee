"""What restic is told to restore: few patterns, that match those files and not many more. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from espalier_machine.uploads_backup.tree import DIRECTORY, Entry

# restic compares each file with each pattern; and a command line has an end.
MOST = 500  # patterns
LONGEST = 100_000  # characters


def escape(path: str) -> str:
    """A pattern of restic's that matches one path, whatever characters it has."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def cover(wanted: Collection[str], entries: Mapping[str, Entry]) -> list[str]:
    """Return paths whose content has all that is wanted: a directory where it is half of it.

    Args:
        wanted: paths of files.
        entries: all that the snapshot has, by path.
    """
    of_all, of_wanted = Counter[str](), Counter[str]()
    for path, entry in entries.items():
        if entry.kind != DIRECTORY:
            # A file costs a round trip, as some kilobytes do.
            cost = entry.size + 4096
            for parent in parents(path):
                of_all[parent] += cost
                if path in wanted:
                    of_wanted[parent] += cost
    whole = {path for path, cost in of_wanted.items() if cost * 2 >= of_all[path]}
    found: dict[str, None] = {}
    for path in sorted(wanted):
        found[next((one for one in parents(path) if one in whole), path)] = None
    return list(found)


def parents(path: str) -> Iterator[str]:
    """The directories that a path is in, the top ("") first."""
    yield ""
    for found in re.finditer("/", path):
        yield path[: found.start()]


def covered(paths: Iterable[str], entries: Mapping[str, Entry]) -> int:
    """Return how many bytes restic writes for what `cover` gave."""
    wanted = set(paths)
    return sum(
        entry.size
        for path, entry in entries.items()
        if path in wanted or any(one in wanted for one in parents(path))
    )


def batches(
    patterns: Iterable[str], most: int = MOST, longest: int = LONGEST
) -> Iterator[list[str]]:
    """Split patterns into those of one call each."""
    batch: list[str] = []
    length = 0
    for pattern in patterns:
        size = len(pattern.encode()) + 16
        if batch and (len(batch) == most or length + size > longest):
            yield batch
            batch, length = [], 0
        batch.append(pattern)
        length += size
    if batch:
        yield batch
