"""Reads transactions out of WAL, with PostgreSQL's own pg_waldump."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from espalier_machine.common.owner import run
from espalier_machine.database_backup import pgbackrest
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import CONFIGURATION
from espalier_machine.database_backup.timelines import lsn

# "rmgr: Transaction len (rec/tot):     34/    34, tx:  770, lsn: 0/01A2, prev 0/019F, desc: COMMIT
# 2026-11-30 09:10:04.123456 UTC; rels: base/16385/16390; inval msgs: …"
COMMIT = re.compile(
    r"tx:\s+(?P<id>\d+), lsn: (?P<lsn>\S+), .*desc: COMMIT "
    r"(?P<time>\d+-\d+-\d+ \d+:\d+:\d+(?:\.\d+)?) (?P<zone>\S+?)(?P<rest>;.*|)$"
)
DROPPED = re.compile(r"; rels: ([^;]*)")


@dataclass(frozen=True)
class Commit:
    """The end of a transaction that had an id.

    Attributes:
        id: of the transaction.
        lsn: where in the WAL its end is.
        time: in Unix seconds.
        dropped: the files of tables that it removed: those of a DROP, or of a TRUNCATE.
    """

    id: int
    lsn: int
    time: float
    dropped: tuple[str, ...]


def parse(output: str) -> list[Commit]:
    """Return the commits in what pg_waldump wrote, in their order. It writes times in UTC."""
    found = []
    for line in output.splitlines():
        if matched := COMMIT.search(line):
            form = "%Y-%m-%d %H:%M:%S.%f%z" if "." in matched["time"] else "%Y-%m-%d %H:%M:%S%z"
            moment = datetime.strptime(f"{matched['time']}+0000", form)
            files = DROPPED.search(matched["rest"])
            dropped = tuple(files[1].split()) if files else ()
            found.append(
                Commit(int(matched["id"]), lsn(matched["lsn"]), moment.timestamp(), dropped)
            )
    return found


def full_id(number: int, upcoming: int) -> int:
    """Return the id of a transaction as PostgreSQL's functions want it: WAL has 32 bits of it.

    Args:
        number: those 32 bits.
        upcoming: the full id that the cluster gives next.
    """
    full = upcoming - (upcoming - number) % 2**32
    return full if full >= 0 else number  # it has not been there yet


@contextmanager
def folder() -> Iterator[Path]:
    """Make a directory for segments, PostgreSQL's own, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="wal-", dir=STATE) as name:
        path = Path(name)
        path.chmod(0o777)  # below a directory that only PostgreSQL's user and root enter
        yield path


def commits(
    config: Config, segment: str, into: Path, *options: str, conf: Path = CONFIGURATION
) -> list[Commit]:
    """Return the commits of a segment of the archive; none where it is not there.

    Args:
        config: whose archive.
        segment: its name.
        into: a directory for it.
        options: of pgBackRest, such as --pg1-path.
        conf: its configuration.

    Raises:
        BackupError: the archive cannot be read, or pg_waldump does not run.
    """
    file = into / segment
    words = pgbackrest.command(config, *options, "archive-get", segment, str(file), conf=conf)
    got = run(*words, check=False)
    if got.returncode == pgbackrest.NOT_FOUND:
        return []
    if got.returncode:
        output = f"{got.stdout}\n{got.stderr}"
        why = pgbackrest.explain(output)
        raise BackupError(f"WAL {segment} cannot be read: {why}", output.strip())
    # Its status is 1 where the last record goes on in the next segment, as nearly always.
    waldump = str(config.bin / "pg_waldump")
    dump = run("env", "TZ=UTC", waldump, "--rmgr=Transaction", str(file), check=False)
    file.unlink(missing_ok=True)
    if dump.returncode > 1:
        raise BackupError(f"WAL {segment} cannot be read: {dump.stderr.strip()}")
    return parse(dump.stdout)
