"""Brings a replica to the point where it streams, by the least that helps."""

from __future__ import annotations

from espalier_machine.replica.cluster import Replica
from espalier_machine.replica.copy import copy_primary, forget_archive
from espalier_machine.replica.streaming import reload, start, wait_until_streaming


def follow(replica: Replica, check: bool) -> dict[str, object]:
    """Bring the replica to the point where it streams.

    Returns: what was done; or, with ``check``, what would be.
    """
    was_running = replica.is_running()
    # A run has written the configuration just before.
    outdated = was_running and replica.is_outdated()
    streams = replica.is_streaming()
    if streams and not check:
        forget_archive(replica)  # of a run that was cut off
    if streams and not outdated:
        return {"changed": False, "did": "nothing: it streams"}
    if check:
        return plan(replica, was_running, outdated, streams)
    mark = replica.log.stat().st_size if replica.log.exists() else 0
    if streams and not replica.primary_slot()[0]:
        # The slot has another name now. The next run drops the former one.
        replica.ask_primary(f"CREATE_REPLICATION_SLOT {replica.slot} PHYSICAL RESERVE_WAL")
    if was_running:
        reload(replica)
    if reason := replica.reason_to_copy():
        return copy_primary(replica, reason)
    if not was_running:
        start(replica)
    if trouble := wait_until_streaming(replica, mark):
        return copy_primary(replica, trouble)
    if outdated:
        return {"changed": True, "did": "reloaded its configuration"}
    return {"changed": not was_running, "did": "waited" if was_running else "started it"}


def plan(replica: Replica, runs: bool, outdated: bool, streams: bool) -> dict[str, object]:
    """Return what `follow` would do with a replica that does not stream as it should."""
    if not streams and (reason := replica.reason_to_copy()):
        return {"changed": True, "did": f"copy the primary: {reason}"}
    if outdated:
        return {"changed": True, "did": "reload its configuration"}
    # The primary may just have been restarted.
    return {"changed": not runs, "did": "wait" if runs else "start"}
