"""Names and forms that the control machine and the programs of a machine have to agree on.

The control machine's package imports them from here.
"""

from __future__ import annotations

import datetime

# The command that people type, and the zipapp that it runs.
WRAPPERS = "/usr/local/sbin"
PROGRAMS = "/usr/local/lib/espalier"
# What `database-backup` keeps, and where its throw-away cluster has its data.
DATABASE_BACKUP = "/var/lib/espalier/database-backup"
THROWAWAY_DATA = f"{DATABASE_BACKUP}/drill/data"
# Is there while a restore keeps the timers of uploads stopped; not after a boot, which starts them.
UPLOADS_PAUSED = "/run/espalier/uploads-paused"
ARCHIVES = "archives"  # below the project's directory
DATA = "data"  # there too: what the project writes to inside of its own tree

_ARCHIVE = ".tar.gz"


def new_release_id(identity: str) -> str:
    """The id of a release that is built now: the time in UTC, and how its content's hash begins."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{identity[:6]}"


def archive_name(project: str, identity: str) -> str:
    """The file name of an archive. A project's name holds no dash."""
    return f"{project}-{identity}{_ARCHIVE}"


def archive_identity(name: str) -> str:
    """The identity in an archive's file name; "" where it is none of ours."""
    return name.removesuffix(_ARCHIVE).rpartition("-")[2] if name.endswith(_ARCHIVE) else ""
