"""A cluster that is made to be looked at, and thrown away: little memory, no port, no archive."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from espalier_machine.common.owner import OWNER, as_owner, run
from espalier_machine.common.text import shown_size
from espalier_machine.database_backup import recovery
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import restoring
from espalier_machine.database_backup.target import Target

FOLDER = STATE / "drill"
ROOM = 1.3  # times the size of the database: the copy, and the WAL that it replays
LEFT = 2**30  # bytes that are left free beside it
# As pg_controldata names them, and as settings: recovery wants at least the primary's.
NEEDED: Mapping[str, str] = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_wal_senders setting": "max_wal_senders",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "''",
    "shared_buffers": "16MB",
    "maintenance_work_mem": "16MB",
    "autovacuum": "off",
    "archive_mode": "off",
    "fsync": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "ssl": "off",
    "log_timezone": "UTC",
}


def too_small(size: int, free: int, room: float = ROOM) -> str:
    """Return why there is no room for the copy, "" where there is.

    Args:
        size: of the database, in bytes.
        free: bytes of the disk.
        room: what is needed, in times of the size.
    """
    needed = int(size * room) + LEFT
    if free >= needed:
        return ""
    needs = shown_size(needed)
    return f"a copy of the database needs {needs} of disk, and {shown_size(free)} are free"


@contextmanager
def directory(*, wait: bool) -> Iterator[Path]:
    """Make the empty directory of its data, PostgreSQL's own; all is removed at the end.

    Args:
        wait: whether to wait for another one to be thrown away.

    Raises:
        BackupError: there is another one, and it is not to be waited for.
    """
    data = FOLDER / "data"
    with FOLDER.with_name("throwaway.lock").open("w") as lock:
        shutil.chown(lock.name, OWNER, OWNER)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise BackupError(
                "Another copy of the database is just being looked at on this machine, by the "
                "nightly drill, a clone, or the restore of a table. Wait until that has ended, and "
                "run this again."
            ) from None
        shutil.rmtree(FOLDER, ignore_errors=True)  # of a run that was cut off
        data.mkdir(parents=True, mode=0o700)
        for path in (FOLDER, data):
            shutil.chown(path, OWNER, OWNER)
            path.chmod(0o700)
        try:
            yield data
        finally:
            shutil.rmtree(FOLDER, ignore_errors=True)


def configure(config: Config, data: Path, more: Mapping[str, str]) -> None:
    """Write its configuration: Debian's is beside the data of the live cluster, not in it.

    Args:
        config: whose cluster it is a copy of.
        data: its directory, with a backup in it.
        more: settings beside, such as those of the recovery.
    """
    found = recovery.control(config, data)
    needed = {setting: found[name] for name, setting in NEEDED.items() if name in found}
    places = {
        "unix_socket_directories": f"'{FOLDER}'",
        "hba_file": f"'{FOLDER}/hba.conf'",
        "ident_file": f"'{FOLDER}/ident.conf'",
    }
    settings = {**SETTINGS, **places, **needed, **more}
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    # Only who may enter the directory reaches its socket: PostgreSQL's user, and root.
    (FOLDER / "hba.conf").write_text("local all all trust\n")
    (FOLDER / "ident.conf").write_text("")
    (data / "postgresql.conf").write_text(text)
    for path in (FOLDER / "hba.conf", FOLDER / "ident.conf", data / "postgresql.conf"):
        shutil.chown(path, OWNER, OWNER)


@contextmanager
def running(config: Config, data: Path) -> Iterator[Path]:
    """Start it, and wait until it has recovered; gives its log. It is stopped at the end.

    Raises:
        BackupError: it does not come up.
    """
    log = FOLDER / "log"
    with log.open("w") as out:
        shutil.chown(log, OWNER, OWNER)
        words = [str(config.bin / "postgres"), "-D", str(data)]
        job = subprocess.Popen(words, stdout=out, stderr=out, **as_owner())
    try:
        recovery.wait_until_promoted(lambda: job.poll() is None, log, 0, host=str(FOLDER))
        yield log
    finally:
        run(str(config.bin / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop", check=False)
        job.terminate()
        job.wait()


@contextmanager
def recovered(config: Config, chosen: Target, data: Path) -> Iterator[Path]:
    """Start it as `running` does, at the moment for which its backup was fetched.

    Raises:
        BackupError: it does not come up.
    """
    with ExitStack() as stack:
        try:
            log = stack.enter_context(running(config, data))
        except BackupError as error:
            if not recovery.is_all_there_is(error, chosen):
                raise
            recovery.without_target(data)
            log = stack.enter_context(running(config, data))
        yield log


@contextmanager
def restored(config: Config, chosen: Target, settings: Mapping[str, str]) -> Iterator[str]:
    """Restore a moment into one, and start it; gives the directory of its socket.

    Args:
        config: whose backups.
        chosen: the moment.
        settings: more of PostgreSQL's, for what is done there.

    Raises:
        BackupError: there is another one, the backup cannot be read, or it does not come up.
    """
    with directory(wait=False) as data:
        recovery.fetch(config, chosen, data, data, restoring(config), archive=False)
        configure(config, data, settings)
        with recovered(config, chosen, data):
            yield str(FOLDER)
