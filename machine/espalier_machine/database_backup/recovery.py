"""Has pgBackRest put a backup into a directory, and PostgreSQL replay WAL there up to a moment."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from espalier_machine.common import data_directory
from espalier_machine.common.owner import run
from espalier_machine.database_backup import pgbackrest, sql
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import CONFIGURATION
from espalier_machine.database_backup.target import Target
from espalier_machine.database_backup.timelines import lsn, start

# PostgreSQL's words where WAL ended before the moment that was asked for.
TOO_EARLY = "recovery ended before configured recovery target was reached"
# To PostgreSQL each status up to 125 is the end of WAL: it would be promoted without the rest. For
# pgBackRest only NOT_FOUND is.
OR_FAIL = f"exit $(($? == {pgbackrest.NOT_FOUND} ? 1 : 255))"
# How far it came: the position of the last record.
REPLAYED = re.compile(r"LOG:  redo done at ([0-9A-F]+/[0-9A-F]+)")
ASKED = "FATAL:  the database system"  # its answer to who asks whether it has recovered
# Is there from when a restore has stopped PostgreSQL until the settings of its recovery are
# forgotten: those that an administrator has made are not ours.
RECOVERING = "recovering"
WORDS = 50  # lines of its log that are kept where it fails


def fetch(
    config: Config,
    target: Target,
    into: Path,
    data: Path,
    conf: Path = CONFIGURATION,
    archive: bool = True,
) -> None:
    """Put the target's backup into an empty directory, with what recovery needs to know.

    Args:
        config: whose backups.
        target: the moment.
        into: a directory of PostgreSQL's own.
        data: where that directory will be when PostgreSQL recovers in it.
        conf: pgBackRest's configuration, which says where the backups are.
        archive: whether this cluster may archive once it is recovered: a throw-away one must not.

    Raises:
        BackupError: the backup cannot be read, or is damaged.
    """
    kind, value = ("lsn", target.position) if target.position else (target.kind, target.value)
    words = [f"--pg1-path={into}", f"--set={target.backup}", f"--type={kind}"]
    words += [f"--target={value}"] if value else []
    exclusive = kind == "lsn" or (kind == "xid" and not target.inclusive)
    words += ["--target-exclusive"] if exclusive else []
    # Not `promote` where there is no target: that is how recovery without one ends anyway.
    words += ["--target-action=promote"] if value else []
    words += [f"--target-timeline={target.recovery_timeline}"]
    words += [f"--recovery-option=restore_command={_get(config, data, conf)} || {OR_FAIL}"]
    words += [] if archive else ["--archive-mode=off"]
    pgbackrest.pgbackrest(
        config, *words, "restore", what="The backup cannot be restored", conf=conf
    )


def fetch_for_replica(
    config: Config, backup: str, into: Path, data: Path, conf: Path = CONFIGURATION
) -> None:
    """Put a backup into an empty directory, as a replica that gets WAL from the archive at first.

    The arguments are those of `fetch`; `backup` is its label.

    Raises:
        BackupError: it cannot be read, or is damaged.
    """
    words = [f"--pg1-path={into}", f"--set={backup}", "--type=standby"]
    # Where the archive has no more, or fails: a replica asks its primary then.
    words += [f"--recovery-option=restore_command={_get(config, data, conf)}"]
    pgbackrest.pgbackrest(
        config, *words, "restore", what="The backup cannot be restored", conf=conf
    )


def _get(config: Config, data: Path, conf: Path) -> str:
    """Return the shell's command with which PostgreSQL gets a segment from the archive."""
    words = pgbackrest.command(config, f"--pg1-path={data}", "archive-get", "%f", conf=conf)
    return f'{shlex.join(words)} "%p"'


def is_all_there_is(error: BackupError, target: Target) -> bool:
    """Whether recovery failed because nothing was committed after the time that was asked for.

    Then all that there is, is what the site had at that time: see `without_target`. Recovery ends
    in the same way where it could not read a segment: so it has to have come to the last one.
    """
    if TOO_EARLY not in str(error) or not target.end:
        return False
    replayed = REPLAYED.findall(error.detail)
    return bool(replayed) and lsn(replayed[-1]) >= start(target.end)


def without_target(data: Path) -> None:
    """Have recovery go on to the end of WAL: nothing came after the moment that was asked for."""
    names = ("recovery_target_time", "recovery_target_xid", "recovery_target_lsn")
    data_directory.remove_settings(data, names)


def forget_recovery(host: str = sql.SOCKETS) -> None:
    """Remove from the cluster's own settings what was for its recovery alone.

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    for name in (*data_directory.RECOVERY, "archive_mode"):
        sql.ask(f"ALTER SYSTEM RESET {name}", host=host)
    unmark()


def is_marked() -> bool:
    """Whether the cluster has settings of a recovery that a restore has brought."""
    return (STATE / RECOVERING).exists()


def mark() -> None:
    """Remember that the cluster has settings of a recovery; PostgreSQL does not run."""
    (STATE / RECOVERING).touch()


def unmark() -> None:
    """Remember that it has none."""
    (STATE / RECOVERING).unlink(missing_ok=True)


def forget_leftovers(config: Config) -> bool:
    """Forget settings that a restore which was killed has left, once PostgreSQL has recovered.

    PostgreSQL recovers by itself then, and nobody is there to forget them.

    Returns: whether there were any.

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    # In this order: PostgreSQL answers no sooner than the restored directory is in place.
    if not is_marked() or not sql.is_primary() or data_directory.will_recover(config.data):
        return False
    if not data_directory.has_recovery_settings(config.data):
        unmark()
        return False
    forget_recovery()
    return True


def wait_until_promoted(
    is_alive: Callable[[], bool], log: Path, mark: int, host: str = sql.SOCKETS
) -> None:
    """Wait until recovery has ended; it may take hours, so the bound is that PostgreSQL runs.

    Args:
        is_alive: whether PostgreSQL still runs.
        log: PostgreSQL's.
        mark: the log's size when PostgreSQL was started.
        host: the directory of its socket.

    Raises:
        BackupError: it ended before; with what it wrote.
    """
    while True:
        try:
            if sql.is_primary(host):
                return
        except BackupError:
            pass  # it does not let in yet
        if not is_alive():
            why = f"PostgreSQL ended while it recovered: {reason(log, mark)}"
            raise BackupError(why, "\n".join(_written(log, mark)[-WORDS:]))
        time.sleep(0.3)


def reason(log: Path, mark: int) -> str:
    """Return the last FATAL or PANIC that PostgreSQL wrote since a mark."""
    lines = _written(log, mark)
    bad = [line for line in lines if re.search(r"(FATAL|PANIC):  ", line)]
    return (bad or lines or ["it wrote nothing"])[-1]


def _written(log: Path, mark: int) -> list[str]:
    """Return what PostgreSQL wrote since a mark, without its answers to who asks."""
    if not log.exists():
        return []
    with log.open(errors="replace") as stream:
        stream.seek(mark if mark <= log.stat().st_size else 0)
        return [line for line in stream.read().splitlines() if ASKED not in line]


def size(log: Path) -> int:
    """Return a log's size in bytes; 0 where there is none."""
    return log.stat().st_size if log.exists() else 0


def systemctl(*words: str) -> None:
    """Run systemctl.

    Raises:
        BackupError: it failed.
    """
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True)
    if done.returncode:
        raise BackupError(f"`systemctl {' '.join(words)}` failed: {done.stderr.strip()}")


def control(config: Config, data: Path) -> Mapping[str, str]:
    """Return what pg_controldata says of a directory, by name."""
    out = run(str(config.bin / "pg_controldata"), "-D", str(data)).stdout
    pairs = (line.split(":", 1) for line in out.splitlines() if ":" in line)
    return {name: value.strip() for name, value in pairs}
