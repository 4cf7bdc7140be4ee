"""What this machine knows of the backups: for `espalier backups`, and for who watches."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from espalier_machine.common import system
from espalier_machine.database_backup import (
    archiving,
    backup,
    look,
    repository,
    retry,
    state,
    verify,
)
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.judge import Seen, colour, judge

BACKUP, WATCH, DRILL, COUNT = (
    f"espalier-{name}.timer" for name in ("backup", "backup-watch", "drill", "row-count")
)


def status(config: Config, destination: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what is there and what is wrong, as plain data.

    It fails for nothing: what cannot be asked is a finding.

    Args:
        config: this machine's part.
        destination: what a look at the destination gave; None for a fresh one.
    """
    now = time.time()
    there = destination or look.fresh(config)
    wal, without_primary = None, ""
    if config.part == "primary":
        try:
            wal = archiving.look(config)
        except BackupError as error:
            without_primary = str(error)
    is_first = config.makes_backups and not config.falls_back
    drills = is_first and config.drill
    timers = [WATCH, *[BACKUP] * config.makes_backups, *[DRILL] * drills]
    timers += [COUNT] * config.counts_rows
    made, drill = state.load("backup"), state.load("drill")
    seen = Seen(
        now=now,
        unreadable=there["unreadable"] or without_primary,
        backups=repository.backups(there["info"]),
        archiving=wal,
        timers=[timer for timer in timers if not system.is_active(timer)],
        drill=drill,
        wants_drill=is_first,
        may_drill=config.drill,
        is_running=backup.is_running(),
        failed=made.get("error", ""),
        skew=there["skew"],
        overtaken=there["overtaken"],
        gap=bool(there.get("gap")),
        next_try=retry.next_try(),
        damage=verify.failure() if config.makes_backups else "",
        damaged=verify.damaged(),
    )
    findings = judge(seen)
    return {
        "part": config.part,
        "destination": config.destination,
        "colour": colour(findings),
        "findings": [asdict(one) for one in findings],
        "backups": [asdict(one) for one in seen.backups],
        "archiving": asdict(wal) if wal else None,
        "drill": drill if is_first else {},
        "drills": state.load("drills").get("drills", []) if is_first else [],
        "restored": state.load("restored"),
        "next": _next(BACKUP) if config.makes_backups else "",
        "next_drill": _next(DRILL) if drills else "",
        "now": now,
    }


def _next(timer: str) -> str:
    asked = ("systemctl", "show", "--property=NextElapseUSecRealtime", "--value", timer)
    return system.run(*asked).stdout.strip()
