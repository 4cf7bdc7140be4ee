"""Looks through the whole repository: each file against its checksum, WAL for gaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from espalier_machine.database_backup import pgbackrest
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import CONFIGURATION

SEGMENT = re.compile(r"([0-9A-F]{24})(?:-|$)")
PER_FILE = 0x100  # segments of 16 MiB in what PostgreSQL calls a log file


def verify(config: Config) -> None:
    """Have pgBackRest read each file and compare it with its checksum.

    Raises:
        BackupError: one differs, or is missing.
    """
    what = "The repository cannot be checked"
    done = pgbackrest.pgbackrest(config, "--output=text", "verify", what=what)
    if problem := damage(done.stdout + done.stderr):
        raise BackupError(f"The repository is damaged ({problem}).", done.stdout)


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


def segments(config: Config, archive: str, conf: Path = CONFIGURATION) -> dict[str, float]:
    """Return when each segment came to an archive, in Unix seconds, by name.

    Args:
        config: whose repository.
        archive: its name, as `Repository` has that of the newest one.
        conf: pgBackRest's configuration.
    """
    folder = f"archive/{config.stanza}/{archive}"
    found = {}
    for name in pgbackrest.listing(config, folder, conf):
        if re.fullmatch(r"[0-9A-F]{16}", name):
            for file, said in pgbackrest.listing(config, f"{folder}/{name}", conf).items():
                if matched := SEGMENT.match(file):
                    found[matched[1]] = float(said["time"])
    return found


def gaps_after(archived: Mapping[str, float], stop: str, until: float) -> list[tuple[str, str]]:
    """Return the gaps of a timeline that lie between a backup and a moment.

    Args:
        archived: when each segment came to the archive (Unix seconds), by name.
        stop: the segment up to which the backup needs WAL; its timeline counts.
        until: the moment, in Unix seconds.
    """
    mine = [name for name in archived if name[:8] == stop[:8] and name >= stop]
    return [pair for pair in gaps(mine) if archived[pair[0]] < until]


def missing(config: Config, archive: str) -> list[tuple[str, str]]:
    """Return the gaps of every timeline of an archive, as `gaps` does."""
    by_timeline: dict[str, list[str]] = {}
    for name in segments(config, archive):
        by_timeline.setdefault(name[:8], []).append(name)
    return [pair for names in by_timeline.values() for pair in gaps(names)]
