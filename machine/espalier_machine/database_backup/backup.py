"""Makes backups: the first one, those of the night, and one after WAL was lost."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from espalier_machine.database_backup import (
    archiving,
    dump_file,
    pgbackrest,
    repository,
    restore,
    sql,
    state,
    verify,
)
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.repository import Backup, Repository

HOUR = 3600
FULL_EVERY = 6.5 * 24 * HOUR  # a week, and not an hour more where one began late
# On the primary, a backup that another machine should have made is not missing before.
LATE = 20 * HOUR
UNIT = "espalier-backup.service"


def begin(config: Config) -> dict[str, Any]:
    """Have the destination know this cluster, and let the first backup begin.

    What a restore that was killed has left goes before that.

    Returns: what was done.

    Raises:
        BackupError: the destination refuses, or has the backups of another cluster.
    """
    did = restore.clean_up(config)
    before = pgbackrest.info_if_any(config)
    known = before["db"][-1]["version"] if before and before["db"] else config.version
    if int(known) > int(config.version):
        raise BackupError(
            f"The destination has the backups of a PostgreSQL {known}, and this one is "
            f"{config.version}: it was upgraded on another machine, or is another database. If "
            "this machine is the right one, give its backups another `path` in hosts.yml."
        )
    # Each refuses what is for the other one to do; a cluster of the same version has to be the one
    # of the backups.
    word = "stanza-create" if known == config.version else "stanza-upgrade"
    pgbackrest.pgbackrest(config, word, what="The destination cannot be prepared")
    did += [] if before else ["prepared the destination"]
    if known != config.version:
        did.append(f"told it of PostgreSQL {config.version}")
    pgbackrest.pgbackrest(config, "check", what="WAL does not come to the destination")
    found = repository.read(config)
    why = "" if found.backups else "began the first backup"
    if has_gap(config, found):  # it was another destination's turn meanwhile
        why = "began a backup, as WAL is missing since the last one"
    if why and start():
        did.append(why)
    return {"changed": bool(did), "did": ", ".join(did) or "nothing"}


def has_gap(config: Config, found: Repository) -> bool:
    """Whether WAL is missing that came after the newest backup: what it leads to ends there."""
    if not found.backups:
        return False
    newest = found.backups[-1]
    archived = verify.segments(config, found.archive, since=newest.stop_wal)
    return bool(
        verify.gaps(verify.following(archived, newest.stop_wal, {newest.timeline: math.inf}))
    )


def start() -> bool:
    """Have a backup be made by its unit, unless one is; gives whether it began."""
    if is_running():
        return False
    subprocess.run(["systemctl", "start", "--no-block", UNIT], check=True)
    return True


def is_running() -> bool:
    """Whether a backup is being made here."""
    asked = ["systemctl", "show", "--property=ActiveState", "--value", UNIT]
    shown = subprocess.run(asked, capture_output=True, text=True).stdout
    return shown.strip() in ("active", "activating")


def make(config: Config) -> dict[str, Any]:
    """Make the backup that is due, and let go of those that nobody wants any more.

    With a full one the whole repository is read, and each night until that finds nothing wrong.

    Returns: what was made: its label and kind, or nothing.

    Raises:
        BackupError: it failed, or the repository is damaged. That is saved, too.
    """
    try:
        done = _make(config)
    except BackupError as error:
        state.save("backup", {"failed": time.time(), "error": str(error)})
        raise
    if done.get("kind") == "full" or verify.failure():
        verify.verify(config)
    return done


def _make(config: Config) -> dict[str, Any]:
    began = time.time()
    dump_file.remove_forgotten()
    found = repository.read(config)
    backups = found.backups
    mark = STATE / archiving.DROPPED
    dropped = mark.stat().st_mtime if mark.exists() else 0
    is_late = not backups or began - backups[-1].ended >= LATE
    is_damaged = newest_full(backups) in verify.damaged()
    if config.falls_back and not (dropped or is_damaged or is_late or has_gap(config, found)):
        return {"made": ""}
    if config.part == "replica" and sql.is_primary():
        raise BackupError("This machine's PostgreSQL is no replica: run `espalier site`.")
    if why := overtaken(live_timeline(config), found.newest_timeline):
        raise BackupError(why)
    kind = due(backups, began, dropped, is_damaged)
    _copy(config, kind)
    # WAL that was dropped before it began is missed no longer.
    if dropped and mark.exists() and mark.stat().st_mtime <= began:
        mark.unlink()
    after = repository.backups(pgbackrest.info(config))
    expire(config, after)
    state.save("backup", {"made": after[-1].label, "kind": kind, "seconds": time.time() - began})
    return {"made": after[-1].label, "kind": kind}


def _copy(config: Config, kind: str) -> None:
    """Have pgBackRest make a backup; the keeper of the copies asks the primary if it has to.

    Raises:
        BackupError: it failed.
    """
    words, what = [f"--type={kind}", "backup"], "The backup failed"
    try:
        pgbackrest.pgbackrest(config, *words, what=what)
    except BackupError:
        if config.part != "repository":
            raise
        # No replica answers, or it was lost on the way.
        pgbackrest.pgbackrest(config, "--no-backup-standby", *words, what=what)


def live_timeline(config: Config) -> int:
    """Return the timeline of this machine's PostgreSQL; 0 where it has none of the site's.

    Raises:
        BackupError: it does not answer.
    """
    if config.part == "repository":
        return 0
    return int(sql.one("SELECT timeline_id FROM pg_control_checkpoint()"))


def overtaken(mine: int, newest: int) -> str:
    """Return why this machine's database is not the site's any more, "" where it is.

    Args:
        mine: its timeline; 0 for none.
        newest: that of the destination.
    """
    if not mine or newest <= mine:
        return ""
    return (
        f"The destination has a newer history (timeline {newest}) than this database (timeline "
        f"{mine}): the site was restored on another machine, and this one must not add to it. If "
        "this machine is the right one, give its backups another `path` in hosts.yml."
    )


def newest_full(backups: Sequence[Backup]) -> str:
    """Return the label of the newest full backup, on which those after it build; "" for none."""
    return next((one.label for one in reversed(backups) if one.kind == "full"), "")


def due(backups: Sequence[Backup], now: float, dropped: float, is_damaged: bool = False) -> str:
    """Return the kind of backup that is due: full, or diff, which builds on a full one.

    Args:
        backups: oldest first.
        now: Unix seconds.
        dropped: when WAL was dropped; 0 for never. Only a full one mends that.
        is_damaged: whether the newest full one is: whatever builds on it cannot be restored.
    """
    fulls = [one for one in backups if one.kind == "full"]
    if not fulls or dropped or is_damaged or now - fulls[-1].ended >= FULL_EVERY:
        return "full"
    return "diff"


def expire(config: Config, backups: Sequence[Backup]) -> None:
    """Let go of what is kept neither for its age nor for being one of the newest.

    Raises:
        BackupError: it failed.
    """
    words = expiry(backups, time.time(), config.keep_days, config.keep_full)
    pgbackrest.pgbackrest(config, *words, "expire", what="Old backups cannot be removed")


def expiry(backups: Sequence[Backup], now: float, days: int, full: int) -> list[str]:
    """Return pgBackRest's options: it counts either days or backups, and this wants both.

    With days it keeps the newest full one that is older, too, so that each moment of those days
    can be restored. Where that leaves fewer than `full`, they are counted instead.
    """
    fulls = [one for one in backups if one.kind == "full"]
    young = [one for one in fulls if now - one.ended <= days * 24 * HOUR]
    left = min(len(young) + 1, len(fulls))
    if left < full:
        return ["--repo1-retention-full-type=count", f"--repo1-retention-full={full}"]
    return ["--repo1-retention-full-type=time", f"--repo1-retention-full={days}"]
