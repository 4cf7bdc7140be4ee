"""Builds a replica from a backup, where that is less to read than the primary itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier_machine.common.owner import OWNER
from espalier_machine.common.text import shown_size
from espalier_machine.database_backup import pgbackrest, recovery, repository, verify
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import CONFIGURATION
from espalier_machine.database_backup.repository import Backup
from espalier_machine.database_backup.timelines import (
    SEGMENT,
    Timeline,
    leads_to,
    lsn,
    parse_history,
    reached,
    start,
)


@dataclass(frozen=True)
class Primary:
    """What the primary says of itself, by the replication protocol.

    Attributes:
        system: its database system identifier.
        timeline: the one that it writes.
        history: the content of that timeline's history file; "" for the first one.
        position: up to where its WAL is written, such as `0/9000110`.
        kept: from where on it keeps WAL for this replica, so, too.
    """

    system: str
    timeline: int
    history: str
    position: str
    kept: str

    @property
    def timelines(self) -> dict[int, Timeline]:
        """The history of its timeline, by number."""
        return {self.timeline: Timeline(self.timeline, 0, parse_history(self.history))}


def fetch(
    config: Config, into: Path, primary: Primary, conf: Path = CONFIGURATION
) -> dict[str, Any]:
    """Put the newest backup that leads to the primary into an empty directory, as a replica of it.

    Args:
        config: this machine's part.
        into: a directory that is made; it is to be put in place of this machine's data.
        primary: whom the replica is to follow.
        conf: pgBackRest's configuration.

    Returns: the label of the `backup`, and when it `ended` (Unix seconds).

    Raises:
        BackupError: there is none, it does not lead to the primary, or copying the primary is less.
    """
    info = pgbackrest.info(config, conf)
    if str(info["db"][-1]["system-id"]) != primary.system:
        raise BackupError("The backups are of another database.")
    backup = choose(repository.backups(info), primary)
    archived = verify.segments(config, repository.newest_archive(info)[0], conf)
    if missing := lacking(archived, backup, primary):
        raise BackupError(missing)
    into.mkdir(mode=0o700)
    shutil.chown(into, OWNER, OWNER)
    try:
        recovery.fetch_for_replica(config, backup.label, into, config.data, conf)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise
    return {"backup": backup.label, "ended": backup.ended}


def choose(backups: Sequence[Backup], primary: Primary) -> Backup:
    """Return the newest backup that leads to the primary.

    Raises:
        BackupError: none does, or to replay what came since then is more than to copy the primary.
    """
    able = [one for one in backups if leads_to(one, primary.timeline, primary.timelines)]
    if not able:
        raise BackupError("No backup leads to what the primary has now.")
    backup = able[-1]
    since = lsn(primary.position) - backup.stop_lsn
    if since > backup.size:
        raise BackupError(
            f"{shown_size(since)} of WAL came since the newest backup, more than the database's "
            f"{shown_size(backup.size)}."
        )
    return backup


def lacking(archived: dict[str, float], backup: Backup, primary: Primary) -> str:
    """Return what is missing between a backup and what the primary keeps; "" for nothing.

    Args:
        archived: the segments that are there.
        backup: where WAL begins.
        primary: where it has to lead.
    """
    there = {*archived, backup.stop_wal}
    of = reached(there, primary.timeline, primary.timelines, backup)
    if primary.timeline not in of:
        return "No WAL has come yet of what the primary began when it was restored."
    names = verify.following(there, backup.stop_wal, of)
    if gaps := verify.gaps_after(backup.stop_wal, names):
        return f"WAL is missing from {gaps[0][0]} to {gaps[0][1]}."
    # It keeps whole segments.
    if start(names[-1]) + SEGMENT < lsn(primary.kept) // SEGMENT * SEGMENT:
        return f"WAL at the destination ends with {names[-1]}, before what the primary keeps."
    return ""
