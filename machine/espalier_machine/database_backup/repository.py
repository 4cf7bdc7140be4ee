"""What is in the repository: full and differential backups, WAL, and the cluster's history."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier_machine.database_backup import pgbackrest
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.pgbackrest import CONFIGURATION
from espalier_machine.database_backup.timelines import (
    Timeline,
    lsn,
    newest,
    parse_history,
    timeline_at,
)

HISTORY = re.compile(r"([0-9A-F]{8})\.history$")


@dataclass(frozen=True)
class Backup:
    """One backup.

    Attributes:
        label: pgBackRest's name for it.
        kind: full, diff or incr.
        began: in Unix seconds.
        ended: so, too; from then on each moment can be restored.
        timeline: of the cluster when it ended.
        stop_lsn: the position in the WAL up to which it has to be followed by WAL.
        size: bytes of the database.
        stop_wal: the segment of WAL with that position.
        stored: bytes that it takes in the repository, with those that it builds on.
    """

    label: str
    kind: str
    began: int
    ended: int
    timeline: int
    stop_lsn: int
    size: int
    stored: int
    stop_wal: str = ""


@dataclass(frozen=True)
class Repository:
    """All that is there.

    Attributes:
        backups: oldest first.
        archive: pgBackRest's name of the newest archive, such as `17-1`; "" for none.
        timelines: by number, those that it saw beginning.
    """

    backups: tuple[Backup, ...]
    archive: str
    timelines: Mapping[int, Timeline]

    @property
    def first_timeline(self) -> int:
        """The one with which it began: a cluster may have been restored before it came here."""
        return self.backups[0].timeline if self.backups else 1

    @property
    def newest_timeline(self) -> int:
        """The one that is written now, or was last."""
        return newest(self.timelines.values(), self.first_timeline)

    def labelled(self, label: str) -> Backup:
        """Return the backup of a label, which is there."""
        return next(one for one in self.backups if one.label == label)

    def timeline_at(self, moment: float) -> int:
        """Return the timeline that was written at a moment (Unix seconds)."""
        return timeline_at(self.timelines.values(), moment, self.first_timeline)


def backups(info: Mapping[str, Any]) -> tuple[Backup, ...]:
    """Return the backups that pgBackRest's `info` has, oldest first; those with errors too."""
    found = [
        Backup(
            label=one["label"],
            kind=one["type"],
            began=one["timestamp"]["start"],
            ended=one["timestamp"]["stop"],
            timeline=int(one["archive"]["stop"][:8], 16),
            stop_lsn=lsn(one["lsn"]["stop"]),
            size=one["info"]["size"],
            stop_wal=one["archive"]["stop"],
            stored=one["info"]["repository"].get("size", one["info"]["repository"]["delta"]),
        )
        for one in info.get("backup", [])
        # Those of an older version of PostgreSQL are of no use to this one.
        if one["database"]["id"] == info["db"][-1]["id"]
    ]
    return tuple(sorted(found, key=lambda one: one.ended))


def newest_archive(info: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of the newest archive, and of its newest segment."""
    archives: Sequence[Mapping[str, Any]] = info.get("archive", [])
    if not archives:
        return "", ""
    last = max(archives, key=lambda one: one["database"]["id"])
    return last["id"], last.get("max") or ""


def read(config: Config, conf: Path = CONFIGURATION) -> Repository:
    """Read the repository.

    Raises:
        BackupError: it cannot be read.
    """
    # The history of a timeline comes to the archive before any WAL of it.
    return parse(config, pgbackrest.info(config, conf), conf, has_history=True)


def parse(
    config: Config,
    info: Mapping[str, Any],
    conf: Path = CONFIGURATION,
    *,
    has_history: bool = False,
) -> Repository:
    """Return what is there, where pgBackRest's `info` is known already.

    Args:
        config: whose repository.
        info: pgBackRest's.
        conf: its configuration.
        has_history: whether a timeline counts of which no WAL has come yet: one listing more.
    """
    archive, newest = newest_archive(info)
    has_history |= int(newest[:8] or "1", 16) > 1
    timelines = _timelines(config, archive, conf) if archive and has_history else {}
    return Repository(backups(info), archive, timelines)


def _timelines(config: Config, archive: str, conf: Path) -> dict[int, Timeline]:
    """Read the histories: each says where its timeline left those before; its file, when."""
    folder = f"archive/{config.stanza}/{archive}"
    found = {}
    for name, file in pgbackrest.listing(config, folder, conf).items():
        if matched := HISTORY.fullmatch(name):
            text = pgbackrest.content(config, f"{folder}/{name}", conf)
            number = int(matched[1], 16)
            found[number] = Timeline(number, float(file["time"]), parse_history(text))
    return found
