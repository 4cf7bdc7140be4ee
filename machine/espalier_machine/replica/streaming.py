"""Starts a replica, and waits until it streams from its primary."""

from __future__ import annotations

import re
import time

from espalier_machine.common import system
from espalier_machine.replica.cluster import Replica
from espalier_machine.replica.errors import ReplicaError

# Seconds for a replica to begin streaming, since it last got a segment from the archive: it may
# first replay what it had already.
WAIT = 300
RESTORED = re.compile(r'restored log file "(\w+)" from archive')
RELOAD = 10  # seconds for a replica to act on what it has read
# What a replica logs when no amount of waiting will help.
HOPELESS = (
    "has already been removed",
    "is not a child of this server's history",
    "is not in this server's history",
    "forked off current database system timeline",
    "database system identifier differs",
    "highest timeline",
    "is ahead of the WAL flush position",  # it has what the primary never had, or has lost
)


def start(replica: Replica) -> None:
    """Start PostgreSQL; raises ReplicaError with its log where that fails."""
    if system.run("systemctl", "start", replica.unit).returncode:
        raise ReplicaError(f"The replica does not start. Its log ends:\n{replica.log_since(0)}")


def reload(replica: Replica) -> None:
    """Make PostgreSQL read its configuration, and wait until it acts on another primary or slot.

    It starts another receiver then. Until the former one has ended, its stream tells nothing.
    """
    former = replica.receiver() if replica.is_outdated() else ""
    system.run("systemctl", "reload", replica.unit)
    for _ in range(RELOAD * 2):
        if not replica.is_outdated() and (not former or replica.receiver() != former):
            return
        time.sleep(0.5)


def wait_until_streaming(replica: Replica, mark: int) -> str:
    """Wait for the replica to stream; gives what its log says where it never will, else "".

    Args:
        mark: where in the log, in bytes, the lines that count begin.
    """
    left, replayed = WAIT * 2, ""
    while left:
        if replica.is_streaming():
            return ""
        log = replica.log_since(mark)
        for line in log.splitlines():
            if any(phrase in line for phrase in HOPELESS):
                return line.partition("ERROR:")[2].strip() or line
        last = (RESTORED.findall(log) or [replayed])[-1]
        left, replayed = (left - 1 if last == replayed else WAIT * 2), last
        time.sleep(0.5)
    raise ReplicaError(
        f"The replica runs, but has not begun to stream within {WAIT} s; Django is not told "
        f"of it. Its log ends:\n{replica.log_since(mark)}"
    )
