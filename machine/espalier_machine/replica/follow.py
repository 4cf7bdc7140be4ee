"""Brings a replica to the point where it streams, by the least that helps."""

from __future__ import annotations

from espalier_machine.replica.cluster import Replica
from espalier_machine.replica.copy import copy_primary
from espalier_machine.replica.streaming import start, wait_until_streaming


def follow(replica: Replica, check: bool) -> dict[str, object]:
    """Bring the replica to the point where it streams.

    Returns: what was done; or, with ``check``, what would be.
    """
    if replica.is_streaming():
        return {"changed": False, "did": "nothing: it streams"}
    reason = replica.reason_to_copy()
    if check and reason:
        return {"changed": True, "did": f"copy the primary: {reason}"}
    if check:  # the primary may just have been restarted
        runs = replica.is_running()
        return {"changed": not runs, "did": "wait" if runs else "start"}
    if reason:
        return copy_primary(replica, reason)
    mark = replica.log.stat().st_size if replica.log.exists() else 0
    was_running = replica.is_running()
    if not was_running:
        start(replica)
    if trouble := wait_until_streaming(replica, mark):
        return copy_primary(replica, trouble)
    return {"changed": not was_running, "did": "waited" if was_running else "started it"}
