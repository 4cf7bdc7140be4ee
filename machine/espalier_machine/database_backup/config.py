"""What a machine's part in the backups is: the file that the role `pgbackrest` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from espalier_machine.common.forms import DATABASE_BACKUP

FILE = Path("/etc/espalier/database_backup.json")
STATE = Path(DATABASE_BACKUP)


@dataclass(frozen=True)
class Config:
    """One machine's part.

    Attributes:
        stanza: pgBackRest's name for the cluster: the site's.
        destination: where the copies are, for people.
        version: PostgreSQL's major version.
        part: `primary`, `replica`, or `repository`: the machine that keeps the copies.
        database: the site's own.
        makes_backups: whether the timer's backups are made from here; on the primary, only where
            nobody else has made one.
        falls_back: whether somebody else is to make them, and this machine only where he did not.
        keep_days: every moment of so many days can be restored.
        keep_full: the newest full backups, however old.
        drill: whether the newest backup is restored every night.
        waiting_wal: bytes of WAL that may wait for the destination; 0 for as many as are left free.
        archive_timeout: seconds after which WAL is copied that is not full yet.
        counts_rows: whether this primary writes down how many rows there are, for a drill on a
            machine that has no database of the site.
    """

    stanza: str
    destination: str
    version: str
    part: str
    database: str
    makes_backups: bool
    falls_back: bool
    keep_days: int
    keep_full: int
    drill: bool
    waiting_wal: int
    archive_timeout: int
    counts_rows: bool = False

    @classmethod
    def load(cls, file: Path = FILE) -> Self:
        """Read the file."""
        found = json.loads(file.read_text())
        # Of another version, while a run replaces this one: more may be stated, or less.
        return cls(
            **{field.name: found[field.name] for field in fields(cls) if field.name in found}
        )

    @property
    def bin(self) -> Path:
        """Where PostgreSQL's programs are."""
        return Path(f"/usr/lib/postgresql/{self.version}/bin")

    @property
    def data(self) -> Path:
        """The cluster's data."""
        return Path(f"/var/lib/postgresql/{self.version}/main")

    @property
    def unit(self) -> str:
        """The cluster's unit."""
        return f"postgresql@{self.version}-main.service"
