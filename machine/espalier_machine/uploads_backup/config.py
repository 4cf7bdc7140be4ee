"""What the kit has written for this machine, and where the program keeps what it knows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espalier_machine.uploads_backup.errors import BackupError

FILE = Path("/etc/espalier/uploads_backup.json")
HOME = Path("/var/lib/espalier/uploads-backup")
CACHE = Path("/var/cache/espalier/uploads-backup")


@dataclass(frozen=True)
class Config:
    """Settings, secrets among them.

    Attributes:
        site: the site's name. It stands for the host in snapshots, so that those of a machine and
            of the one that took its place belong together.
        repository: where restic keeps them: a URL, or a path on this machine.
        environment: variables for restic, secrets among them.
        options: more arguments for restic, such as a command for SFTP or certificates.
        password_file: has the passphrase by which the repository is encrypted.
        user: the user that restic runs as; "" for root.
        media: the directory of uploads; "" on a machine that only keeps the repository, and where
            an object store has them.
        owner: the user that uploads belong to.
        keep_days: so many days of snapshots are kept.
        prunes: whether this machine removes old snapshots.
        samples: whether some uploads of the newest snapshot are compared with the disk each night.
        s3: the object store that has the uploads: bucket, endpoint, region, access_key and
            secret_key; {} where they are on a disk.
    """

    site: str
    repository: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    password_file: str = ""
    user: str = ""
    media: str = ""
    owner: str = ""
    keep_days: int = 14
    prunes: bool = False
    samples: bool = False
    s3: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name it, without a secret."""
        return f"Config({self.site!r}, {self.repository!r})"

    @property
    def directory(self) -> Path:
        """The directory of uploads, without symlinks: restic would save the link alone."""
        if not self.media:
            raise BackupError(
                f"The uploads are in the bucket {self.s3['bucket']}, whose versions keep what was "
                "deleted or overwritten: bring them back there."
                if self.s3
                else "This machine keeps the backups; uploads are on another one."
            )
        return Path(self.media).resolve()


def load(file: Path | None = None) -> Config:
    """Read the settings.

    Raises:
        BackupError: there are none.
    """
    path = file or FILE
    try:
        given: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise BackupError(
            f"{path} is missing: uploads of this machine are not backed up. `backup` in hosts.yml "
            "says where backups go, and `espalier site` sets them up."
        ) from None
    # Of another version, while a run replaces this one: more may be stated, or less.
    known = {one.name for one in dataclasses.fields(Config)} & given.keys()
    return Config(**{name: given[name] for name in known} | {"options": tuple(given["options"])})
