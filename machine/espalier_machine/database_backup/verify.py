"""Looks through the whole repository: each file against its checksum, WAL for gaps."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from espalier_machine.database_backup import pgbackrest, state
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import CONFIGURATION
from espalier_machine.database_backup.timelines import SEGMENT as SIZE
from espalier_machine.database_backup.timelines import start

SEGMENT = re.compile(r"([0-9A-F]{24})(?:-|$)")
# What pgBackRest says of a backup that cannot be restored, with its label.
DAMAGED = re.compile(r"backup: (\S+), status: (?:invalid|manifest missing)")
SUBJECT = "verify"
PER_FILE = 0x100  # segments of 16 MiB in what PostgreSQL calls a log file


def verify(config: Config) -> None:
    """Have pgBackRest read each file and compare it with its checksum.

    Raises:
        BackupError: one differs, or is missing. That is saved until it is well: see `failure` and
            `damaged`.
    """
    found = damaged()  # what is known goes on where nothing can be read
    try:
        what = "The repository cannot be checked"
        done = pgbackrest.pgbackrest(config, "--output=text", "verify", what=what)
        output = done.stdout + done.stderr
        found = DAMAGED.findall(output)
        if problem := damage(output):
            raise BackupError(f"The repository is damaged ({problem}).", done.stdout)
    except BackupError as error:
        state.save(SUBJECT, {"failed": time.time(), "error": str(error), "damaged": found})
        raise
    state.save(SUBJECT, {"passed": time.time()})


def failure() -> str:
    """Return what the last `verify` found, "" for nothing."""
    return str(state.load(SUBJECT).get("error", ""))


def damaged() -> list[str]:
    """Return the labels of the backups that the last `verify` found damaged."""
    return [str(label) for label in state.load(SUBJECT).get("damaged", [])]


def damage(output: str) -> str:
    """Return what `verify` found, "" for nothing: its exit status is 0 all the same."""
    lines = [line.strip() for line in output.splitlines()]
    if "status: error" not in lines and not any("file missing" in line for line in lines):
        return ""
    telling = [line for line in lines if re.search(r"invalid|missing|other:|total valid", line)]
    return "; ".join(telling[:3]) or "pgBackRest does not say of which file"


def gaps(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return where WAL is missing: the last segment before each gap, and the first one after it.

    Args:
        names: of segments of one timeline, in any order.
    """
    found = sorted(names, key=_number)
    return [
        (before, after)
        for before, after in pairwise(found)
        if _number(after) != _number(before) + 1
    ]


def _number(name: str) -> int:
    """Return a segment's number; the middle third of its name counts whole log files."""
    return int(name[8:16], 16) * PER_FILE + int(name[16:24], 16)


def segments(
    config: Config, archive: str, conf: Path = CONFIGURATION, since: str = ""
) -> dict[str, float]:
    """Return when each segment came to an archive, in Unix seconds, by name.

    An archive has a directory for each 256 segments: hundreds of them, where much is written. Each
    process of pgBackRest connects anew, so one lists them all.

    Args:
        config: whose repository.
        archive: its name, as `Repository` has that of the newest one.
        conf: pgBackRest's configuration.
        since: a segment: only those of its timeline count, from its directory on. That asks for
            little where it is a new one.

    Raises:
        BackupError: the archive cannot be read.
    """
    folder = f"archive/{config.stanza}/{archive}"
    listed = pgbackrest.listing(config, folder, conf, recurse=not since)
    if since:
        newer = [
            name
            for name in listed
            if re.fullmatch(rf"{since[:8]}[0-9A-F]{{8}}", name) and name >= since[:16]
        ]
        listed = {}
        for name in newer:
            listed |= pgbackrest.listing(config, f"{folder}/{name}", conf)
    return {
        matched[1]: float(said["time"])
        for path, said in listed.items()
        if (matched := SEGMENT.match(path.rpartition("/")[2]))
    }


def following(archived: Iterable[str], stop: str, of: Mapping[int, float]) -> list[str]:
    """Return the segments that lead on from a backup, oldest first.

    Args:
        archived: names of segments.
        stop: the segment up to which the backup needs WAL.
        of: the timelines that count, and up to which position.
    """
    last = max(of)

    def is_part(name: str) -> bool:
        """Of a timeline that was left, not the segment in which that happened: see `reached`."""
        timeline = int(name[:8], 16)
        return start(name) + (0 if timeline == last else SIZE - 1) < of.get(timeline, 0)

    mine = [name for name in archived if is_part(name)]
    # Of two with the same number that of the newer timeline: it has what the older one has.
    by_number = {name[8:]: name for name in sorted(mine) if name[8:] >= stop[8:]}
    return [by_number[number] for number in sorted(by_number)]


def gaps_after(stop: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the gaps, as `gaps` does, in segments that should lead on from that of a backup.

    Args:
        stop: the segment up to which the backup needs WAL.
        names: what `following` gives.
    """
    begins = [(stop, names[0])] if names and names[0][8:] != stop[8:] else []
    return [*begins, *gaps(names)]


def missing(config: Config, archive: str) -> list[tuple[str, str]]:
    """Return the gaps of every timeline of an archive, as `gaps` does."""
    by_timeline: dict[str, list[str]] = {}
    for name in segments(config, archive):
        by_timeline.setdefault(name[:8], []).append(name)
    return [pair for names in by_timeline.values() for pair in gaps(names)]
