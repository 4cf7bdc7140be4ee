"""Once a night: old snapshots are removed with what only they have, the rest is checked."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from espalier_machine.uploads_backup import generation, save, state
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError, MissingRepository
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import (
    SECOND,
    TAG,
    Snapshot,
    all_of_site,
    of_site,
    words,
)

# An upload is kept longer than the rows that refer to it: every snapshot, as any of them may be the
# only one with a file that was replaced or deleted since.
MORE_DAYS = 2
# Of what is stored, so much is read each night, here and there.
READ = "200M"
# A run of the site does not ask the machine that keeps the backups, nor is this unit started by it.
BY_A_NIGHT = "New ones begin with `espalier site`; the first night with some ends this message."
CLOCKS = 3600  # seconds by which clocks may differ


def forget(config: Config) -> dict[str, Any]:
    """Remove what is older than is kept, and check the rest. The caller holds the lock.

    Raises:
        BackupError: it could not, or the backups are damaged.
    """
    if not config.prunes:
        raise BackupError(
            "Old backups are not removed from here: the machine that keeps them does it."
            if not config.s3
            else "The object store with the uploads removes old versions itself, by its own rules."
        )
    now, before = time.time(), state.load(config.repository)
    known: dict[str, Any] = {"snapshots": 0, "bytes": 0, **before.forgot, "time": now, "error": ""}
    try:
        found: dict[str, Any] = {"snapshots": 0, "bytes": 0}
        with suppress(MissingRepository):
            found = _forget(Restic(config), now)
        if not found["snapshots"] and before.has_saved:
            raise BackupError(save.gone(before, BY_A_NIGHT))
        known |= found
    except (BackupError, OSError) as error:
        _remember(config, {**known, "error": str(error)})
        raise
    # Not where it was ended, for a restore or a shutdown: nothing was checked.
    _remember(config, known)
    return {"ok": True, **shown(known)}


def _remember(config: Config, known: dict[str, Any]) -> None:
    """Keep what came of a night; nobody else has written meanwhile, as they wait for the lock."""
    new = state.load(config.repository)
    new.forgot = known
    state.save(new)


def _forget(restic: Restic, now: float) -> dict[str, Any]:
    config = restic.config
    found = all_of_site(restic)
    check_clock(found, now)
    if config.media:
        generation.check(config.repository, found)
    restic.run(
        *("forget", "--prune", "--host", config.site, "--tag", TAG),
        # By the site alone: a directory that has moved does not keep its old snapshots for ever.
        *("--group-by", "host", "--keep-within", f"{config.keep_days + MORE_DAYS}d"),
    )
    restic.run("check", "--read-data-subset", READ)
    size = restic.json("stats", "--mode", "raw-data")["total_size"]
    return {"snapshots": len(of_site(restic)), "bytes": size}


def check_clock(snapshots: list[Snapshot], now: float) -> None:
    """Refuse to remove anything while the newest snapshot is of the future.

    What is kept is counted from it: a wrong clock, or somebody who has taken over the web machine,
    would have all others removed.

    Raises:
        BackupError: it is.
    """
    if snapshots and snapshots[-1].time > (now + CLOCKS) * SECOND:
        raise BackupError(
            f"The newest backup says that it is of {words(snapshots[-1].time)}, which is in the "
            "future: a clock is wrong, here or on the machine with the uploads. No old backup is "
            "removed until it is right."
        )


def shown(known: dict[str, Any]) -> dict[str, Any]:
    """A night of the state, as an answer has it."""
    return {**known, "time": state.words(known["time"])}
