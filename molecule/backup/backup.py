#!/usr/bin/env python3
"""What is lost, and what comes back: backups, restores, drills, and each way in which they fail.

    backup.py data                  a group of steps; the lab of inventory/ must be up, and empty
    backup.py dropped_table drills  some steps alone, where such a group has left the machines

What each command wrote is in .lab/backup/commands.log.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain

from cloning import clone
from database import dropped_table, killed, named_transaction
from failures import away, drills, full, red, still_changed, under_load
from lab import LAB, STORE, prepare
from setting_up import begun, refused, switched_on, without
from single import single
from survivors import primary_lost, replica_lost
from tiers import keeper, sftp
from uploads import uploads

# Each begins with machines on which nothing is yet, in a lab of its own.
GROUPS: dict[str, tuple[Callable[[], None], ...]] = {
    # What CI runs on every commit.
    "smoke": (begun, dropped_table, drills, clone),
    "data": (
        without,
        refused,
        switched_on,
        dropped_table,
        named_transaction,
        uploads,
        drills,
        clone,
        under_load,
    ),
    "failures": (begun, red, full, still_changed, away, sftp),
    "machines": (begun, keeper, single, replica_lost, killed, primary_lost),
}


def main() -> int:
    """Take a group of steps, or those that are named; gives the exit status."""
    named = sys.argv[1:]
    if not named:
        print(f"name a group of steps: {', '.join(GROUPS)}")
        return 2
    if len(named) != 1 or named[0] not in GROUPS:
        return LAB.take(tuple(dict.fromkeys(chain(*GROUPS.values()))), prepare)
    del sys.argv[1:]
    try:
        return LAB.take(GROUPS[named[0]], prepare)
    finally:
        STORE.remove()


if __name__ == "__main__":
    sys.exit(main())
