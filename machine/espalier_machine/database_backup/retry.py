"""When a backup that mends a gap of WAL is tried again.

The first try begins as soon as the gap is seen. After one that failed there is a pause: each reads
the whole database and may have to be paid for, and what made it fail seldom ends within a minute.
It is always as long: meanwhile moments are lost, so a destination that is well again must not wait
for most of a day, as it would after a pause that grows.
"""

from __future__ import annotations

import time

from espalier_machine.database_backup import state

PAUSE = 3600  # seconds from the end of a try to the next one
SUBJECT = "mending"


def next_try() -> float:
    """Return when the next try may begin, in Unix seconds; 0 where there was none yet."""
    now = time.time()
    tried = state.load(SUBJECT).get("tried", 0)
    if not 0 < tried <= now:  # or somebody has set the clock back
        return 0
    failed = state.load("backup").get("failed", 0)
    return float(max(tried, failed if failed <= now else 0) + PAUSE)


def has_begun() -> None:
    """Remember that a try has begun."""
    state.save(SUBJECT, {"tried": time.time()})


def is_over() -> None:
    """Forget the tries, as nothing is missing any more: the next gap is mended at once."""
    if state.load(SUBJECT):
        state.save(SUBJECT, {})
