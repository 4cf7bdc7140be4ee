"""Brings a moment back in place of this machine's database, which is set aside, not deleted."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from espalier_machine.common import system
from espalier_machine.common.data_directory import was_started
from espalier_machine.common.owner import OWNER
from espalier_machine.common.text import shown_size
from espalier_machine.database_backup import (
    archiving,
    recovery,
    repository,
    sql,
    state,
    target,
    verify,
)
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import CONFIGURATION
from espalier_machine.database_backup.repository import Backup, Repository
from espalier_machine.database_backup.target import Target
from espalier_machine.database_backup.timelines import reached
from espalier_machine.database_backup.verify import segments

ROOM = 1.1  # times the size of the database, and WAL that is replayed


def choose(config: Config, found: Repository, wanted: dict[str, Any]) -> Target:
    """Return the moment that a person means.

    Args:
        config: whose backups.
        found: what is in their repository.
        wanted: one of `to` (Unix seconds), `latest`, `transaction`, `before`.

    Raises:
        BackupError: it cannot be restored.
    """
    now = time.time()
    if "to" in wanted:
        return target.at_time(found, wanted["to"], now)
    if "transaction" in wanted:
        return target.at_transaction(config, found, wanted["transaction"])
    if "before" in wanted:
        return target.before_statement(config, found, wanted["before"])
    return target.latest(found, now)


def find(
    config: Config, wanted: dict[str, Any], conf: Path = CONFIGURATION
) -> tuple[Target, Backup]:
    """Return the moment that a person means, and the backup that leads there.

    The arguments are those of `plan`.

    Raises:
        BackupError: it cannot be restored: no backup leads there, or WAL is missing.
    """
    finished = ""
    is_running = system.is_active(config.unit)
    if is_running and sql.is_primary():
        # What was committed just now is to be found, too.
        finished = archiving.finish_segment(wait=30)
    found = repository.read(config, conf)
    chosen = choose(config, found, wanted)
    backup = found.labelled(chosen.backup)
    archived = {backup.stop_wal: float(backup.ended), **segments(config, found.archive, conf)}
    of = reached(archived, chosen.timeline, found.timelines, backup)
    names = verify.following(archived, backup.stop_wal, of)
    for before, after in verify.gaps_after(backup.stop_wal, names):
        came = archived[before]
        if chosen.kind == "default" or came < chosen.time:
            raise BackupError(
                f"WAL is missing from {before} to {after}, after the backup that leads there. What "
                f"came before can be restored: --to '{target.utc(came)}', or earlier."
            )
    if chosen.kind == "time":
        chosen = _up_to_the_end(config, chosen, names, archived, finished)
    elif of[max(of)] < math.inf:
        chosen = target.up_to(chosen, of, backup, names[-1])
    return chosen, backup


def _up_to_the_end(
    config: Config,
    chosen: Target,
    names: Sequence[str],
    archived: Mapping[str, float],
    finished: str,
) -> Target:
    """Return the target of a time with the segment at which WAL ends.

    Args:
        config: this machine's part.
        chosen: the target.
        names: the segments that lead on from its backup, oldest first.
        archived: when each segment came to the archive (Unix seconds), by name.
        finished: that which the primary, which runs here, has just ended; "" where none does.

    Raises:
        BackupError: WAL ends before that time, and nobody knows what was committed since then.
    """
    # A gap is another end of it; one before that time was refused already.
    last = next((before for before, _ in verify.gaps(names)), names[-1])
    # A site to which nobody writes makes no WAL: where this has come, nothing else was committed.
    if finished in names and last >= finished:
        return replace(chosen, end=last)
    waits = archiving.look(config).oldest if finished else 0
    end = min(archived[last], waits or math.inf)
    if chosen.time <= end:
        return replace(chosen, end=last)
    here = "waits on this machine (`espalier backups` says why)" if finished else "is not there"
    raise BackupError(
        f"WAL at the destination ends at {target.utc(end)}: what was committed after that {here}. "
        f"Instead of {target.utc(chosen.time)} write `latest`, for all that is there, or a moment "
        f"until then: '{target.utc(end)}'."
    )


def plan(config: Config, wanted: dict[str, Any], conf: Path = CONFIGURATION) -> dict[str, Any]:
    """Return what a restore would do, and what it would cost.

    Returns: the target, `bytes` of the database, `free` bytes of the disk, `lost` seconds between
    the moment and now, `aside` whether a database is here that would be set aside.

    Raises:
        BackupError: it cannot be restored, or the disk has too little room.
    """
    chosen, backup = find(config, wanted, conf)
    free = shutil.disk_usage(config.data.parent).free
    if backup.size * ROOM > free:
        raise BackupError(
            f"The database takes {shown_size(backup.size)}, and the disk under "
            f"{config.data.parent} has {shown_size(free)} free. What is there is kept, so both "
            "need room: give the machine a larger disk, or delete what was set aside there "
            "(replaced-*, retired-*) and is no longer wanted."
        )
    return {
        "target": chosen.as_json(),
        "bytes": backup.size,
        "stored": backup.stored,
        "free": free,
        "lost": max(0.0, time.time() - chosen.time) if chosen.kind != "default" else 0.0,
        "aside": was_started(config.data),
        "backup_ended": backup.ended,
    }


def restore(config: Config, chosen: Target, conf: Path = CONFIGURATION) -> dict[str, Any]:
    """Bring the moment back; gives what was done, and where what was here is.

    The backup is fetched while the database still runs. Where recovery fails, what was here runs
    again.

    Raises:
        BackupError: it failed; the database that was here is as it was.
    """
    with _exclusive() as is_alone:
        if not is_alone:
            raise BackupError(
                "Another restore is under way on this machine, maybe of a run that was cut off. "
                "Wait until it has ended, and run this again."
            )
        return _restore(config, chosen, conf)


def clean_up(config: Config) -> list[str]:
    """Remove what a restore that was killed has left; gives what was done.

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    did = []
    if recovery.forget_leftovers(config):
        did.append("forgot the settings of a recovery that has ended")
    staging = _staging(config)
    with _exclusive() as is_alone:
        if is_alone and staging.exists():
            shutil.rmtree(staging, ignore_errors=True)
            did.append("removed the half of a backup that a restore which was cut off has left")
    return did


@contextmanager
def _exclusive() -> Iterator[bool]:
    """Have no other restore begin here; gives whether none is under way."""
    with (STATE / "restore.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _staging(config: Config) -> Path:
    """Return the directory into which a backup is fetched: a copy, until it is swapped."""
    return config.data.with_name("main.restoring")


def _restore(config: Config, chosen: Target, conf: Path) -> dict[str, Any]:
    began = time.time()
    staging = _staging(config)
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was cut off
    staging.mkdir(mode=0o700)
    shutil.chown(staging, OWNER, OWNER)
    try:
        recovery.fetch(config, chosen, staging, config.data, conf)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    fetched = time.time()
    recovery.systemctl("stop", config.unit)
    stopped = time.time()
    was_marked = recovery.is_marked()  # by one that was killed: its directory is what is here
    recovery.mark()
    aside = _swap(config, staging)
    try:
        _recover(config, chosen)
    except BaseException:
        _swap_back(config, aside, was_marked)
        raise
    recovery.forget_recovery()
    # The destination is to know as soon as may be what is the site's from now on.
    with contextlib.suppress(BackupError):
        archiving.finish_segment()
    now = time.time()
    report = {
        "at": now,
        "aside": str(aside or ""),
        "what": chosen.what,
        "fetch_seconds": round(fetched - began, 1),
        "recovery_seconds": round(now - stopped, 1),
    }
    state.save("restored", report)
    return report


def _swap(config: Config, staging: Path) -> Path | None:
    """Put the new directory in place; gives the name that the old one has now, if it had data."""
    aside = None
    if was_started(config.data):
        aside = config.data.with_name(time.strftime("replaced-%Y%m%d-%H%M%S", time.gmtime()))
        os.rename(config.data, aside)
    elif config.data.exists():
        shutil.rmtree(config.data)  # as the package has made it: nothing was ever in it
    os.rename(staging, config.data)
    return aside


def _recover(config: Config, chosen: Target) -> None:
    """Start PostgreSQL, and wait until it has replayed what it should."""
    log = Path(f"/var/log/postgresql/postgresql-{config.version}-main.log")
    mark = recovery.size(log)
    try:
        _start(config, log, mark)
    except BackupError as error:
        if not recovery.is_all_there_is(error, chosen):
            raise
        recovery.without_target(config.data)
        _start(config, log, recovery.size(log))


def _start(config: Config, log: Path, mark: int) -> None:
    subprocess.run(["systemctl", "reset-failed", config.unit], capture_output=True)
    # Not waited for: Debian's script gives up after a while, and recovery may take longer.
    recovery.systemctl("start", "--no-block", config.unit)
    time.sleep(1)

    def is_alive() -> bool:
        asked = system.run("systemctl", "is-active", config.unit)
        return asked.stdout.strip() in ("active", "activating")

    recovery.wait_until_promoted(is_alive, log, mark)


def _swap_back(config: Config, aside: Path | None, was_marked: bool) -> None:
    """Have what was here run again; what could not be recovered is removed: it is a copy."""
    subprocess.run(["systemctl", "stop", config.unit], capture_output=True)
    shutil.rmtree(config.data, ignore_errors=True)
    if aside:
        os.rename(aside, config.data)
    if not was_marked:
        recovery.unmark()
    if aside:
        subprocess.run(["systemctl", "reset-failed", config.unit], capture_output=True)
        recovery.systemctl("start", config.unit)
