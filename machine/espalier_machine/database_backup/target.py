"""Which moment is meant: a time, a transaction, or what came just before a statement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from espalier_machine.database_backup import timelines, wal
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.judge import CLOCK
from espalier_machine.database_backup.repository import Backup, Repository
from espalier_machine.database_backup.timelines import backup_for
from espalier_machine.database_backup.verify import segments
from espalier_machine.database_backup.wal import Commit

LOGS = Path("/var/log/postgresql")
# In UTC since backups are on: an older line, of another zone, is of a moment before the first one.
LOG_LINE = re.compile(
    r"^(?P<time>\d+-\d+-\d+ \d+:\d+:\d+\.\d+) UTC \[\d+\] (?P<who>\S*) ?LOG:  "
    r"(?:duration: (?P<took>[\d.]+) ms  )?(?:statement|execute [^:]*): (?P<statement>.*)$"
)


@dataclass(frozen=True)
class Target:
    """A moment that can be restored.

    Attributes:
        kind: `time`, `xid`, or `default` for all that there is.
        value: as PostgreSQL reads it; "" for all that there is.
        inclusive: whether the transaction of that time or id is in.
        timeline: of the moment.
        is_current: whether the backup is of that timeline too. The destination need not have seen
            the beginning of it.
        backup: the label of the backup to begin with.
        time: the moment in Unix seconds.
        what: for people.
        end: of a time, the segment with which WAL at the destination ends: where recovery has come
            so far, nothing was committed after that time.
        position: of all that there is, where in the WAL that ends; "" for the end of the WAL.
    """

    kind: str
    value: str
    inclusive: bool
    timeline: int
    is_current: bool
    backup: str
    time: float
    what: str
    end: str = ""
    position: str = ""

    @property
    def recovery_timeline(self) -> str:
        """The timeline as PostgreSQL is told to follow it."""
        return "current" if self.is_current else str(self.timeline)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, from which `Target(**…)` makes it again."""
        return asdict(self)


def utc(moment: float) -> str:
    """Return a time as PostgreSQL reads it, and people do."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")


def at_time(repository: Repository, moment: float, now: float) -> Target:
    """Return the target of a time (Unix seconds).

    Raises:
        BackupError: no backup leads there.
    """
    if moment > now:
        raise BackupError(f"{utc(moment)} is in the future: it is {utc(now)}.")
    timeline = repository.timeline_at(moment)
    backup = _backup(repository, timeline, moment)
    what = f"as it was at {utc(moment)}"
    return _target("time", utc(moment), True, timeline, backup, moment, what)


def latest(repository: Repository, now: float, timeline: int = 0) -> Target:
    """Return the target of all that there is, of the newest timeline or of a given one.

    Raises:
        BackupError: there is no backup.
    """
    timeline = timeline or repository.newest_timeline
    backup = _backup(repository, timeline, now)
    return _target("default", "", True, timeline, backup, now, "all that the destination has")


def up_to(chosen: Target, of: Mapping[int, float], backup: Backup, last: str) -> Target:
    """Return the target of all that there is, where that ends within a timeline.

    Args:
        chosen: the target of all that there is.
        of: the timelines that count, and up to which position: see `reached`.
        backup: with which recovery begins.
        last: the segment with that position.
    """
    timeline = max(of)
    where = timelines.position(of[timeline])
    is_current = backup.timeline == timeline
    return replace(chosen, timeline=timeline, is_current=is_current, end=last, position=where)


def at_transaction(config: Config, repository: Repository, number: int) -> Target:
    """Return the target just after a transaction, which is looked for in the archive.

    Raises:
        BackupError: it is not there.
    """
    archived = segments(config, repository.archive)
    with wal.folder() as folder:
        for name in sorted(archived, key=lambda one: archived[one], reverse=True):
            for commit in wal.commits(config, name, folder):
                if commit.id == number:
                    what = f"just after transaction {number}, which ended at {utc(commit.time)}"
                    return _at_commit(repository, name, commit, True, what)
    raise BackupError(
        f"The archive has no transaction {number} that was committed and changed something."
    )


def before_statement(config: Config, repository: Repository, text: str) -> Target:
    """Return the target just before the newest statement that has a text, such as DROP TABLE.

    PostgreSQL's log has the statement and its time, WAL the transaction: the first one from then on
    that removed files of tables, as DROP and TRUNCATE do, or else the first that changed anything.

    Raises:
        BackupError: the log has no such statement, or WAL no transaction of it.
    """
    logs = sorted(LOGS.glob(f"postgresql-{config.version}-main.log*"))
    lines = [line for path in logs if path.suffix != ".gz" for line in _lines(path)]
    moment, statement = find_statement(lines, text)
    archived = segments(config, repository.archive)
    # A segment comes to the archive after its last transaction, in full seconds of its clock.
    later = sorted(name for name, came in archived.items() if came >= moment - CLOCK - 1)
    with wal.folder() as folder:
        found: list[tuple[str, Commit]] = []
        for name in later:
            commits = wal.commits(config, name, folder)
            found += [(name, one) for one in commits if one.time >= moment - 0.001]
            if any(one.dropped for _, one in found):
                break
    dropping = [pair for pair in found if pair[1].dropped] or found
    if not dropping:
        raise BackupError(
            f"The statement `{statement}` began at {utc(moment)}, and WAL at the destination has "
            "no transaction from then on. Was it rolled back? Does WAL wait (`espalier backups`)?"
        )
    name, commit = dropping[0]
    what = f"just before `{statement}` (transaction {commit.id}, {utc(commit.time)})"
    return _at_commit(repository, name, commit, False, what)


def find_statement(lines: Iterable[str], text: str) -> tuple[float, str]:
    """Return when the newest statement with a text began (Unix seconds), and the statement.

    Those that change tables are logged as they begin, those that took long when they have ended:
    what they changed may have been committed before.

    Args:
        lines: of PostgreSQL's log.
        text: a part of the statement, in whole words, as a person writes it.

    Raises:
        BackupError: there is none.
    """
    found = []
    wanted = _pattern(text)
    for line in _joined(lines):
        matched = LOG_LINE.match(line)
        if matched and wanted.search(_plain(matched["statement"])):
            form = "%Y-%m-%d %H:%M:%S.%f%z"
            logged = datetime.strptime(f"{matched['time']}+0000", form).timestamp()
            began = logged - float(matched["took"] or 0) / 1000
            found.append((began, " ".join(matched["statement"].split())))
    if not found:
        raise BackupError(
            f"PostgreSQL's log on this machine has no statement with `{text}`. It has those that "
            "change tables (CREATE, ALTER, DROP, TRUNCATE) since backups are on, and those that "
            "took long. Give the time instead: --to."
        )
    return max(found)


def _plain(statement: str) -> str:
    """Return SQL without what people leave out: quotes, `IF EXISTS`, the schema that is there."""
    text = " ".join(statement.lower().replace('"', "").split())
    return re.sub(r"\bpublic\.| if (?:not )?exists\b", "", text)


def _pattern(text: str) -> re.Pattern[str]:
    """Return what finds a text in plain SQL: each name in it may have a schema there."""
    words = _plain(text).rstrip("; ").split(" ")
    named = r"\s".join(rf"(?:[\w$]+\.)?{re.escape(word)}" for word in words)
    return re.compile(rf"(?<!\w){named}(?!\w)")


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Join lines that PostgreSQL has continued: those begin with a tab."""
    whole = ""
    for line in lines:
        if line.startswith("\t"):
            whole += f" {line.strip()}"
            continue
        yield whole
        whole = line
    yield whole


def _lines(path: Path) -> Sequence[str]:
    return path.read_text(errors="replace").splitlines()


def _at_commit(
    repository: Repository, segment: str, commit: Commit, inclusive: bool, what: str
) -> Target:
    timeline = int(segment[:8], 16)
    backup = _backup(repository, timeline, commit.time)
    return _target("xid", str(commit.id), inclusive, timeline, backup, commit.time, what)


def _target(
    kind: str, value: str, inclusive: bool, timeline: int, backup: Backup, time: float, what: str
) -> Target:
    is_current = backup.timeline == timeline
    return Target(kind, value, inclusive, timeline, is_current, backup.label, time, what)


def _backup(repository: Repository, timeline: int, moment: float) -> Backup:
    found = backup_for(repository.backups, timeline, repository.timelines, moment)
    if found:
        return found
    if not repository.backups:
        raise BackupError("The destination has no backup yet.")
    oldest = repository.backups[0].ended
    raise BackupError(
        f"No backup leads to {utc(moment)}: the oldest moment that can be restored is "
        f"{utc(oldest)}."
    )
