"""Which version of each file a moment has had. Pure: no file is touched.

Two snapshots know about a moment: A, the last one before it, and B, the first one after it.

- In both: as A has it where B's was written after the moment, else as B has it.
- In A alone: it was deleted between the two, perhaps after the moment. It is kept: a file too many
  breaks nothing.
- In B alone: it came between the two. It is kept unless it is younger than the moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from espalier_machine.uploads_backup.tree import DIRECTORY, Entry

# A row's time is of the database's machine, a file's of the one with the uploads.
CLOCKS = 60 * 10**9  # nanoseconds
BEFORE, AFTER = "before", "after"


class Chosen(NamedTuple):
    """A version of a file: which snapshot has it, and what it is."""

    where: str
    entry: Entry


def choose(
    before: Mapping[str, Entry] | None, after: Mapping[str, Entry] | None, moment: int
) -> dict[str, Chosen]:
    """Return the version of each path at a moment, parents before what is in them.

    Args:
        before: what the last snapshot until the moment has; None where there is none.
        after: what the first snapshot after it has; None where there is none.
        moment: nanoseconds since 1970.
    """
    one, other = before or {}, after or {}
    chosen = {path: choose_one(one.get(path), other.get(path), moment) for path in {*one, *other}}
    kept: dict[str, Chosen] = {}
    for path in sorted(path for path, version in chosen.items() if version):
        version, parent = chosen[path], kept.get(path.rpartition("/")[0])
        # What was a directory once and a file then is one of the two.
        if version and ("/" not in path or (parent and parent.entry.kind == DIRECTORY)):
            kept[path] = version
    return kept


def choose_one(before: Entry | None, after: Entry | None, moment: int) -> Chosen | None:
    """Return the version of one path at a moment; None where it was not there.

    The arguments are those of `choose`, of that path.
    """
    if before and after:
        return Chosen(BEFORE, before) if after.mtime > moment else Chosen(AFTER, after)
    if before:
        return Chosen(BEFORE, before)
    if not after:
        return None
    # A directory's time is that of its youngest file: others in it may be older.
    is_young = after.mtime > moment + CLOCKS and after.kind != DIRECTORY
    return None if is_young else Chosen(AFTER, after)


def uncertain(before: Mapping[str, Entry], after: Mapping[str, Entry], moment: int) -> list[str]:
    """Return the files that were written again between the two snapshots, after the moment.

    They are as the snapshot before has them. Whether they were written more than once, so that none
    of the two has what the moment had, nobody knows.
    """
    return sorted(
        path
        for path, entry in after.items()
        if entry.kind != DIRECTORY
        and entry.mtime > moment
        and path in before
        and entry[:3] != before[path][:3]
    )
