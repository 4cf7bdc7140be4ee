"""Each minute: whether copies come, and a new full backup where WAL was lost."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from espalier_machine.database_backup import archiving, backup, look, recovery, retry, state
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.status import status


def watch(config: Config) -> dict[str, Any]:
    """Look, and have a full backup begin where only that mends something.

    Returns: what `status` does. Whoever calls fails where it is red, which tells somebody.
    """
    if config.part == "primary":
        with contextlib.suppress(BackupError):  # that it does not answer, the status says
            recovery.forget_leftovers(config)
            archiving.wake(config)
    mark = STATE / archiving.DROPPED
    there = look.fresh(config) if mark.exists() else look.sparing(config)
    found = status(config, there)
    wal = found["archiving"]
    is_wanted = bool(there.get("gap"))
    if wal and mark.exists():
        dropped = mark.stat().st_mtime
        if any(one["began"] > dropped for one in found["backups"]):
            mark.unlink()  # another machine has made the backup
        else:
            is_back = wal["archived"] > dropped and not wal["waiting"]
            is_wanted = is_back and config.makes_backups
    if is_wanted and time.time() >= retry.next_try() and backup.start():
        retry.has_begun()
    if not (mark.exists() or there.get("gap") or there["unreadable"]):
        retry.is_over()
    state.save("watch", {"colour": found["colour"], "at": time.time()})
    return found
