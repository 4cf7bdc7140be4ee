"""How far WAL has come on its way to the destination: asked on the primary."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from espalier_machine.common.owner import run
from espalier_machine.database_backup import sql
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.timelines import SEGMENT

MARGIN = 5  # seconds beyond `archive_timeout`
# What the script that PostgreSQL calls writes where WAL was dropped: the bound was reached.
DROPPED = "dropped"
STATISTICS = """
SELECT coalesce(extract(epoch FROM last_archived_time), 0),
       coalesce(extract(epoch FROM last_failed_time), 0),
       coalesce(last_archived_wal, ''),
       current_setting('archive_mode')
FROM pg_stat_archiver
"""


# The checkpointer, where it should have ended a segment by now.
LATE = """
SELECT pid FROM pg_stat_activity, pg_stat_archiver
WHERE backend_type = 'checkpointer' AND NOT pg_is_in_recovery()
  AND now() - greatest(last_archived_time, last_failed_time, backend_start) > interval '{} s'
"""


@dataclass(frozen=True)
class Archiving:
    """What the primary says.

    Attributes:
        is_on: whether PostgreSQL archives at all.
        archived: when the last segment came there, in Unix seconds; 0 for never.
        failed: when one last did not; 0 for never.
        waiting: bytes of WAL that wait.
        bound: bytes that may wait before WAL is dropped.
        oldest: since when the oldest of those waits, in Unix seconds; 0 for none.
        dropped: when WAL was dropped, 0 where none is missing.
    """

    is_on: bool
    archived: float
    failed: float
    waiting: int
    bound: int
    oldest: float
    dropped: float


def look(config: Config) -> Archiving:
    """Ask the primary.

    Raises:
        BackupError: it does not answer.
    """
    archived, failed, _, mode = sql.ask(STATISTICS)[0]
    ready = list((config.data / "pg_wal/archive_status").glob("*.ready"))
    mark = STATE / DROPPED
    return Archiving(
        is_on=mode != "off",
        archived=float(archived),
        failed=float(failed),
        waiting=len(ready) * SEGMENT,
        bound=config.waiting_wal or free(config.data / "pg_wal"),
        oldest=min((_written(path) for path in ready), default=0),
        dropped=mark.stat().st_mtime if mark.exists() else 0,
    )


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # it has just been archived
        return time.time()


def free(path: Path) -> int:
    """Return how many bytes are free there for others than root."""
    return shutil.disk_usage(path).free


def wake(config: Config) -> bool:
    """Wake who ends a segment of WAL after `archive_timeout`, where none was; gives whether.

    PostgreSQL's checkpointer computes how long it sleeps when it starts. Where that is during a
    recovery, as after a crash, it leaves `archive_timeout` out, and sleeps until the next
    checkpoint is due (CheckpointerMain in checkpointer.c, of 15 to 17).

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    late = sql.ask(LATE.format(config.archive_timeout + MARGIN))
    for (pid,) in late:
        run("sh", "-c", f"kill -HUP {int(pid)}", check=False)
    return bool(late)


def finish_segment(wait: float = 0) -> str:
    """Have PostgreSQL end the segment that it writes, so that it is archived; gives its name.

    Args:
        wait: seconds to wait until it is archived.

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    # A switch does nothing where nothing was written since the last one: so write a little.
    name = sql.one(
        "SELECT pg_walfile_name(pg_create_restore_point('espalier')); SELECT pg_switch_wal()"
    )
    until = time.monotonic() + wait
    while time.monotonic() < until:
        last = sql.one("SELECT coalesce(max(last_archived_wal), '') FROM pg_stat_archiver")
        if last[8:24] >= name[8:24] and last[:8] >= name[:8]:
            break
        time.sleep(0.2)
    return name
