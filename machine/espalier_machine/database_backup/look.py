"""Looks at the destination, which costs requests that somebody may have to pay for."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from espalier_machine.database_backup import backup, pgbackrest, repository, sql, state
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError

SUBJECT = "destination"
# Is there while another machine's database is the site's: the script that PostgreSQL calls pushes
# nothing then.
OVERTAKEN = "overtaken"
KEPT = 3600  # seconds for which a good look is good enough for who looks each minute


def fresh(config: Config) -> dict[str, Any]:
    """Look now, and remember it.

    Returns: `at`; `unreadable`: why it cannot be read, or ""; `info` as pgBackRest has it; `skew`:
    the seconds that its clock is ahead, where that can be seen; `overtaken`: why this machine's
    database is not the site's any more, or ""; `gap`: whether WAL is missing since the newest
    backup, where this machine is the one to look.
    """
    found: dict[str, Any] = {"at": time.time(), "unreadable": "", "info": {}, "skew": None}
    found |= {"overtaken": "", "gap": False}
    try:
        found["info"] = pgbackrest.info(config)
        there = repository.parse(config, found["info"])
        found["skew"] = _skew(config, there.archive)
        # Asked by who could make another one.
        found["gap"] = config.makes_backups and backup.has_gap(config, there)
        mine = backup.live_timeline(config)
        found["overtaken"] = backup.overtaken(mine, there.newest_timeline)
        if found["overtaken"]:
            with suppress(FileExistsError):  # root's, which PostgreSQL's user may not touch
                (STATE / OVERTAKEN).touch(exist_ok=False)
        else:
            (STATE / OVERTAKEN).unlink(missing_ok=True)
    except BackupError as error:
        found["unreadable"] = str(error)
    state.save(SUBJECT, found)
    return found


def look(config: Config) -> dict[str, Any]:
    """Look now, for the script that PostgreSQL calls; gives why this database is not the site's.

    Raises:
        BackupError: the destination cannot be read.
    """
    found = fresh(config)
    if found["unreadable"]:
        raise BackupError(found["unreadable"])
    return {"overtaken": found["overtaken"]}


def sparing(config: Config) -> dict[str, Any]:
    """Return the last look, if it was good and not long ago; else look now."""
    last = state.load(SUBJECT)
    is_good = (
        last
        and not last["unreadable"]
        and not last.get("gap")
        and 0 <= time.time() - last["at"] < KEPT
    )
    return last if is_good else fresh(config)


def _skew(config: Config, archive: str) -> float | None:
    """Return how far its clock is ahead: by when it says that the newest WAL came."""
    if config.part != "primary":
        return None
    statement = (
        "SELECT last_archived_wal, extract(epoch FROM last_archived_time) FROM pg_stat_archiver"
    )
    name, came = sql.ask(statement)[0]
    if not archive or len(name) != 24:
        return None
    folder = f"archive/{config.stanza}/{archive}/{name[:16]}"
    for file, said in pgbackrest.listing(config, folder).items():
        if file.startswith(name) and "time" in said:
            return float(said["time"]) - float(came)
    return None
