"""Which history of the database a moment belongs to, and which backup leads there.

Each restore begins a new timeline: WAL that came after the restored moment stays in the archive,
and is no part of the new history. PostgreSQL follows the newest one by default, in which a moment
between a mishap and its restore never was. People mean what the site had at that moment: so the
timeline is the one that was being written at that time.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

SEGMENT = 16 * 2**20  # bytes of WAL in a file, as PostgreSQL is built


@dataclass(frozen=True)
class Timeline:
    """A history that left another one.

    Attributes:
        number: PostgreSQL's.
        began: Unix seconds, when its history file came to the archive.
        parents: (number, position) of each timeline before it: up to there it is a part of it.
    """

    number: int
    began: float
    parents: tuple[tuple[int, int], ...]


class Restorable(Protocol):
    """What is asked of a backup."""

    @property
    def ended(self) -> int: ...  # noqa: D102

    @property
    def timeline(self) -> int: ...  # noqa: D102

    @property
    def stop_lsn(self) -> int: ...  # noqa: D102


B = TypeVar("B", bound=Restorable)


def lsn(text: str) -> int:
    """Return a position in the WAL as a number: `0/3000050`."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def parse_history(text: str) -> tuple[tuple[int, int], ...]:
    """Return (timeline, position where it was left) of each line of a history file."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].isdigit():
            found.append((int(words[0]), lsn(words[1])))
    return tuple(found)


def timeline_at(timelines: Iterable[Timeline], moment: float, first: int = 1) -> int:
    """Return the timeline that was written at a moment (Unix seconds).

    Args:
        timelines: those that the destination saw beginning.
        moment: in Unix seconds.
        first: the one with which the destination began.
    """
    begun = [one.number for one in timelines if one.began <= moment]
    return max(begun, default=first)


def newest(timelines: Iterable[Timeline], first: int = 1) -> int:
    """Return the newest timeline; the arguments are those of `timeline_at`."""
    return max((one.number for one in timelines), default=first)


def parts(timeline: int, timelines: Mapping[int, Timeline]) -> dict[int, float]:
    """Return the timelines whose WAL a timeline consists of, and up to which position of each."""
    parents = timelines[timeline].parents if timeline in timelines else ()
    return {**dict(parents), timeline: math.inf}


def reached(
    archived: Collection[str], timeline: int, timelines: Mapping[int, Timeline], backup: Restorable
) -> dict[int, float]:
    """Return the `parts` of a timeline that the archive has; the last one is the largest number.

    A restore begins a timeline in the middle of a segment. Until that has come, the archive has
    nothing of the new timeline but its history. PostgreSQL would read the former timeline's segment
    of that number instead, and replay what came after the moment that was restored.

    Args:
        archived: names of segments.
        timeline: the one that is wanted.
        timelines: all but the first one.
        backup: where WAL begins; it leads there.
    """
    of = parts(timeline, timelines)
    begun = {backup.timeline, *(int(name[:8], 16) for name in archived)}
    while max(of) not in begun:
        del of[max(of)]
    return of


def position(lsn: float) -> str:
    """Return a position in the WAL as PostgreSQL writes it: `0/3000050`."""
    return f"{int(lsn) >> 32:X}/{int(lsn) & 0xFFFFFFFF:X}"


def start(segment: str) -> int:
    """Return the position at which a segment of WAL begins, by its name."""
    return (int(segment[8:16], 16) << 32) + int(segment[16:24], 16) * SEGMENT


def leads_to(backup: Restorable, timeline: int, timelines: Mapping[int, Timeline]) -> bool:
    """Return whether WAL leads from a backup to a timeline."""
    return backup.stop_lsn <= parts(timeline, timelines).get(backup.timeline, -1)


def backup_for(
    backups: Sequence[B], timeline: int, timelines: Mapping[int, Timeline], before: float
) -> B | None:
    """Return the newest backup that leads to a moment of a timeline; None where none does.

    Args:
        backups: oldest first.
        timeline: of the moment.
        timelines: all but the first one.
        before: the moment, in Unix seconds: a backup that ended later has more than that.
    """
    able = [one for one in backups if one.ended <= before and leads_to(one, timeline, timelines)]
    return able[-1] if able else None
