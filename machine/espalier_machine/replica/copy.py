"""Copies the primary; what was there is set aside under a dated name, never deleted."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time

from espalier_machine.common import data_directory
from espalier_machine.common.owner import as_owner, end_with_parent
from espalier_machine.replica.cluster import Replica
from espalier_machine.replica.errors import ReplicaError
from espalier_machine.replica.streaming import start, wait_until_streaming


def copy_primary(replica: Replica, reason: str) -> dict[str, object]:
    """Copy the primary, put the copy in place of what was there, and start it."""
    shutil.rmtree(replica.staging, ignore_errors=True)  # of a run that was cut off
    drop_slot(replica)
    try:
        base_backup(replica)
    except BaseException:
        # Without the slot the primary keeps nothing for a replica that is not there.
        shutil.rmtree(replica.staging, ignore_errors=True)
        with contextlib.suppress(ReplicaError):
            drop_slot(replica)
        raise
    # The primary may have been restored, and still have the moment at which that recovery ended.
    data_directory.remove_settings(replica.staging, data_directory.RECOVERY)
    (replica.staging / "standby.signal").touch()
    subprocess.run(["systemctl", "stop", replica.unit], check=True)
    aside = ""
    if replica.is_unused() and not (replica.data / "standby.signal").exists():
        shutil.rmtree(replica.data)
    elif replica.data.exists():
        aside = f"retired-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        replica.data.rename(replica.data.with_name(aside))
    replica.staging.rename(replica.data)
    mark = replica.log.stat().st_size if replica.log.exists() else 0
    start(replica)
    if trouble := wait_until_streaming(replica, mark):
        raise ReplicaError(f"The primary was copied, but cannot be followed: {trouble}")
    kept = f"; what was here is now {replica.data.with_name(aside)}" if aside else ""
    return {"changed": True, "did": f"copied the primary, as {reason}{kept}"}


def drop_slot(replica: Replica) -> None:
    """Give our slot back, if the primary has it.

    Raises ReplicaError where somebody uses it.
    """
    if any(replica.ask_primary(f"READ_REPLICATION_SLOT {replica.slot}")):
        # Our own receiver, in vain, may be just at it: it tries once a second, for a moment.
        replica.ask_primary(f"DROP_REPLICATION_SLOT {replica.slot}", tries=10)


def base_backup(replica: Replica) -> None:
    """Copy the primary into the staging directory; our slot keeps the WAL from its start on.

    Raises ReplicaError where the disk has too little room for it, or the copy fails.
    """
    free = shutil.disk_usage(replica.data.parent).free
    command = [str(replica.bin / "pg_basebackup"), "--dbname", replica.setting("primary_conninfo")]
    command += ["--pgdata", str(replica.staging), "--wal-method=stream", "--checkpoint=fast"]
    command += ["--create-slot", "--slot", replica.slot, "--no-password", "--progress"]
    copying = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=end_with_parent, **as_owner()
    )
    output = []
    for line in copying.stderr or ():
        output.append(line.strip())
        # "1234/56789 kB (2%), …": the second number is what the whole will take.
        size = re.search(r"/(\d+) kB", line)
        if size and int(size[1]) * 1024 * 11 // 10 > free:
            copying.terminate()
            copying.wait()
            raise ReplicaError(
                f"The primary's data takes {int(size[1]) // 1024} MiB, and the disk under "
                f"{replica.data.parent} has {free // 2**20} MiB free. Give this machine a larger "
                "disk, or delete what was set aside there (retired-*) and is no longer wanted."
            )
    if copying.wait():
        raise ReplicaError("The primary could not be copied: " + " ".join(output[-3:]))
