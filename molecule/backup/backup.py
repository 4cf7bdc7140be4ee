#!/usr/bin/env python3
"""What is lost, and what comes back: backups, restores, drills, and each way in which they fail.

    backup.py                       as CI does; the lab of molecule/backup/inventory must be up
    backup.py smoke                 what CI runs on every commit
    backup.py dropped_table drills  some steps alone

What each command wrote is in .lab/backup/commands.log.
"""

from __future__ import annotations

import sys

from cloning import clone
from database import dropped_table, killed, named_transaction
from failures import away, drills, full, red, still_changed, under_load
from lab import LAB, STORE, prepare
from setting_up import begun, refused, switched_on, without
from single import single
from survivors import primary_lost, replica_lost
from tiers import keeper, sftp
from uploads import uploads

STEPS = (
    without,
    refused,
    switched_on,
    dropped_table,
    named_transaction,
    uploads,
    drills,
    clone,
    red,
    full,
    still_changed,
    away,
    under_load,
    sftp,
    keeper,
    single,
    replica_lost,
    killed,
    primary_lost,
)
# What CI runs on every commit.
SMOKE = (begun, dropped_table, drills, clone)


if __name__ == "__main__":
    named = sys.argv[1:]
    steps = STEPS if not named else tuple(dict.fromkeys((*STEPS, *SMOKE)))
    if named == ["smoke"]:
        steps, named = SMOKE, []
        del sys.argv[1:]
    try:
        status = LAB.take(steps, prepare)
    finally:
        if not named:
            STORE.remove()
    sys.exit(status)
