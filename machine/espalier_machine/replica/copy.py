"""Copies the primary; what was there is set aside under a dated name, never deleted."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time

from espalier_machine.common import data_directory
from espalier_machine.common.owner import as_owner, end_with_parent
from espalier_machine.replica import from_backup
from espalier_machine.replica.cluster import Replica
from espalier_machine.replica.errors import ReplicaError
from espalier_machine.replica.streaming import start, wait_until_streaming

PRIMARY = "the primary"
# Is in the data of a copy of a backup until it streams, and has forgotten where the archive is.
FROM_BACKUP = "espalier-from-backup"


def copy_primary(replica: Replica, reason: str) -> dict[str, object]:
    """Copy the primary, or its newest backup, in place of what was there, and start the copy."""
    source, why_not = _stage(replica, with_backup=True)
    aside = _put_in_place(replica)
    if source == PRIMARY:
        _begin(replica)
    else:
        try:
            _begin(replica)
        except ReplicaError as error:
            why_not = str(error)
            subprocess.run(["systemctl", "stop", replica.unit], check=True)  # it has our slot
            source, _ = _stage(replica, with_backup=False)
            _put_in_place(replica)
            _begin(replica)
    forget_archive(replica)
    kept = f"; what was here is now {replica.data.with_name(aside)}" if aside else ""
    because = f" (the backups do not help: {why_not})" if why_not else ""
    return {"changed": True, "did": f"copied {source}, as {reason}{because}{kept}"}


def _stage(replica: Replica, *, with_backup: bool) -> tuple[str, str]:
    """Have a copy in the staging directory; gives of what, and why not of a backup."""
    shutil.rmtree(replica.staging, ignore_errors=True)  # of a run that was cut off
    drop_slot(replica)
    source = why_not = ""
    try:
        if with_backup:
            source, why_not = from_backup.fetch(replica)
        if source:
            (replica.staging / FROM_BACKUP).touch()
        else:
            drop_slot(replica)
            base_backup(replica)
            # The primary may have been restored, and still have the moment at which that ended.
            data_directory.remove_settings(replica.staging, data_directory.RECOVERY)
    except BaseException:
        # Without the slot the primary keeps nothing for a replica that is not there.
        shutil.rmtree(replica.staging, ignore_errors=True)
        with contextlib.suppress(ReplicaError):
            drop_slot(replica)
        raise
    (replica.staging / "standby.signal").touch()
    return source or PRIMARY, why_not


def _put_in_place(replica: Replica) -> str:
    """Swap the staged copy with what is here; gives the name that this has now, "" for nothing."""
    subprocess.run(["systemctl", "stop", replica.unit], check=True)
    aside = ""
    is_replica = (replica.data / "standby.signal").exists()
    if (replica.data / FROM_BACKUP).exists() if is_replica else replica.is_unused():
        shutil.rmtree(replica.data)  # nothing was ever in it, or a backup that led nowhere
    elif replica.data.exists():
        aside = f"retired-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        replica.data.rename(replica.data.with_name(aside))
    replica.staging.rename(replica.data)
    return aside


def _begin(replica: Replica) -> None:
    """Start the copy; raises ReplicaError where it does not come to stream."""
    mark = replica.log.stat().st_size if replica.log.exists() else 0
    start(replica)
    if trouble := wait_until_streaming(replica, mark):
        raise ReplicaError(f"What was copied cannot follow the primary: {trouble}")


def forget_archive(replica: Replica) -> None:
    """Have a copy of a backup, which streams now, ask only its primary for WAL.

    The destination may be slow, or not answer: nothing may wait for it when a replica starts or is
    promoted.
    """
    mark = replica.data / FROM_BACKUP
    if not mark.exists():
        return
    for name in data_directory.RECOVERY:
        replica.ask(f"ALTER SYSTEM RESET {name}")
    replica.ask("SELECT pg_reload_conf()")
    if not data_directory.has_recovery_settings(replica.data):
        mark.unlink()


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
