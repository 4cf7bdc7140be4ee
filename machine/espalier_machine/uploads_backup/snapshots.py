"""The snapshots of a site, and which two of them tell what a moment was like."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.restic import Restic

TAG = "uploads"
# What a restore has saved before it replaces it: of a disk that may have lost most of its uploads.
ASIDE = "before-restore"
# Which machine has made it: see `generation`.
GENERATION = re.compile(r"generation-(\d+)")
SECOND = 10**9


@dataclass(frozen=True)
class Snapshot:
    """A snapshot.

    Attributes:
        id: its id.
        time: when it was begun, in ns since 1970.
        root: the directory that it has.
        is_aside: whether it is ASIDE.
        generation: of the machine that has made it; 0 where that had none yet.
    """

    id: str
    time: int
    root: str
    is_aside: bool = False
    generation: int = 0

    def to_data(self) -> dict[str, str]:
        """As an answer has it."""
        return {"id": self.id[:8], "time": words(self.time)}


def of_site(restic: Restic, *options: str, timeout: float | None = None) -> list[Snapshot]:
    """The snapshots of the site, the oldest first, whichever machine has made them.

    Args:
        restic: with the repository.
        options: more of restic's.
        timeout: seconds that it may take.
    """
    return history(all_of_site(restic, *options, timeout=timeout))


def all_of_site(restic: Restic, *options: str, timeout: float | None = None) -> list[Snapshot]:
    """With those that a machine has added which was replaced before. The rest is of `of_site`."""
    words = ["snapshots", "--host", restic.config.site, "--tag", TAG, *options]
    return parse(restic.json(*words, timeout=timeout))


def history(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Those of snapshots, the oldest first, that no machine has added which was replaced before."""
    found, newest = [], 0
    for one in snapshots:
        if one.generation >= newest:
            found.append(one)
            newest = one.generation
    return found


def parse(answer: Iterable[Mapping[str, Any]]) -> list[Snapshot]:
    """Read what `restic snapshots --json` answers."""
    found = [_snapshot(one, one.get("tags") or ()) for one in answer]
    return sorted(found, key=lambda one: one.time)


def _snapshot(one: Mapping[str, Any], tags: Sequence[str]) -> Snapshot:
    numbers = [int(found[1]) for tag in tags if (found := GENERATION.fullmatch(tag))]
    time, root = nanoseconds(one["time"]), one["paths"][0]
    return Snapshot(one["id"], time, root, ASIDE in tags, max(numbers, default=0))


def newest(snapshots: Iterable[Snapshot]) -> Snapshot | None:
    """The newest snapshot that stands for the site's uploads; None where there is none."""
    return max(
        (one for one in snapshots if not one.is_aside), key=lambda one: one.time, default=None
    )


def around(
    snapshots: Sequence[Snapshot], moment: int, latest: bool = False
) -> tuple[Snapshot | None, Snapshot | None]:
    """The newest snapshot that was begun until a moment, and the oldest one after it.

    Args:
        snapshots: of the site, the oldest first.
        moment: nanoseconds since 1970.
        latest: whether the newest state is meant, and not what the disk happened to have.
    """
    before = [one for one in snapshots if one.time <= moment]
    after = [one for one in snapshots if one.time > moment]
    last = newest(before) if latest else (before[-1] if before else None)
    return last, after[0] if after else None


def nanoseconds(text: str) -> int:
    """A time as restic writes it (RFC 3339, with up to nine digits), in ns since 1970."""
    found = re.fullmatch(r"(.{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
    if not found:
        raise ValueError(f"{text!r} is no time")
    zone = "+00:00" if found[3] == "Z" else found[3]
    seconds = int(datetime.datetime.fromisoformat(found[1] + zone).timestamp())
    return seconds * SECOND + int((found[2] or "0").ljust(9, "0"))


LATEST = "latest"


def moment(text: str, now: int) -> int:
    """The moment that a person or a program means, in ns since 1970.

    Args:
        text: `latest`, or a time of ISO 8601 with its zone.
        now: what `latest` is.

    Raises:
        BackupError: it is none.
    """
    if text == LATEST:
        return now
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise BackupError(
            f"{text!r} is no time. Write one such as 2026-11-30T14:05:00+01:00, or latest."
        ) from None
    if found.tzinfo is None:
        raise BackupError(
            f"{text} does not say of which time zone it is. Write it so: {text}Z for UTC, or "
            f"{text}+01:00."
        )
    # Not by way of a float, which is too short for microseconds.
    whole = int(found.replace(microsecond=0).timestamp())
    found_ns = whole * SECOND + found.microsecond * 1000
    if found_ns > now:
        raise BackupError(f"{text} is in the future: the clock here says {words(now)}.")
    return found_ns


def words(time: int) -> str:
    """A time in UTC, as an answer has it."""
    whole = datetime.datetime.fromtimestamp(time // SECOND, datetime.UTC)
    return whole.isoformat(timespec="seconds")
