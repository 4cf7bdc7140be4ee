"""Green, amber or red: what is wrong with the backups, from what was seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from espalier_machine.common.text import shown_size
from espalier_machine.database_backup.archiving import Archiving
from espalier_machine.database_backup.repository import Backup

MINUTE = 60
HOUR = 60 * MINUTE
NIGHT = 26 * HOUR  # a day, and two hours for the copy itself
FULL = 8 * 24 * HOUR  # a week, and a night that failed
ARCHIVE = 5 * MINUTE  # that WAL may be late before somebody is told
CLOCK = 60  # seconds that the destination's clock may differ
COLOURS = ("green", "amber", "red")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: `amber` or `red`, and a sentence."""

    colour: str
    sentence: str


@dataclass(frozen=True)
class Seen:
    """What a machine of the backups sees; what is not its part is None or empty.

    Attributes:
        now: Unix seconds.
        unreadable: why the repository cannot be read, "" where it can.
        backups: oldest first.
        archiving: of the primary.
        timers: those of the backups that do not run.
        drill: the report of the last one, {} for none yet.
        wants_drill: whether it is this machine's part.
        may_drill: whether hosts.yml wants drills.
        is_running: whether a backup is being made.
        failed: why the last backup failed, "" where it did not.
        damage: why the last check of the whole repository failed, "" where it did not.
        damaged: labels of the backups that it found damaged.
        skew: seconds that the destination's clock is ahead; None where unknown.
        gap: whether WAL is missing since the newest backup.
        next_try: when a backup that mends that is tried again, in Unix seconds; 0 for the first.
        overtaken: why this database is not the site's any more, "" where it is.
    """

    now: float
    unreadable: str
    backups: Sequence[Backup]
    archiving: Archiving | None
    timers: Sequence[str]
    drill: Mapping[str, Any]
    wants_drill: bool
    may_drill: bool
    is_running: bool
    failed: str
    skew: float | None
    overtaken: str
    gap: bool = False
    next_try: float = 0
    damage: str = ""
    damaged: Collection[str] = ()


def judge(seen: Seen) -> list[Finding]:
    """Return what is wrong, the worst first; nothing where all is well."""
    found = [*_repository(seen), *_archiving(seen), *_drill(seen)]
    found += [
        Finding("red", f"{timer} does not run: nothing is copied by itself")
        for timer in seen.timers
    ]
    if seen.gap:
        found.append(
            Finding("red", f"WAL is missing since the newest backup: a new one {_begins(seen)}")
        )
    if seen.overtaken:
        found.append(Finding("red", seen.overtaken))
    if seen.skew is not None and abs(seen.skew) > CLOCK:
        which = "behind" if seen.skew > 0 else "ahead of"
        found.append(
            Finding(
                "red", f"this machine's clock is {abs(seen.skew):.0f} s {which} the destination's"
            )
        )
    return sorted(found, key=lambda one: -COLOURS.index(one.colour))


def colour(findings: Sequence[Finding]) -> str:
    """Return the worst colour."""
    return max((one.colour for one in findings), key=COLOURS.index, default="green")


def _repository(seen: Seen) -> list[Finding]:
    if seen.unreadable:
        return [Finding("red", seen.unreadable)]
    found = []
    if seen.failed:
        found.append(Finding("red", f"the last backup failed: {seen.failed}"))
    if seen.damage:
        failed = f"the last check of all backups failed: {seen.damage}{_since_damage(seen)}"
        found.append(Finding("red", failed))
    if not seen.backups:
        if seen.is_running:
            return [*found, Finding("amber", "the first backup is being made")]
        return [*found, Finding("red", "there is no backup yet")]
    age = seen.now - seen.backups[-1].ended
    if age > NIGHT and not seen.is_running:
        found.append(Finding("red", f"the newest backup is {_span(age)} old"))
    fulls = [one for one in seen.backups if one.kind == "full"]
    if fulls and seen.now - fulls[-1].ended > FULL:
        old = _span(seen.now - fulls[-1].ended)
        found.append(Finding("red", f"the newest full backup is {old} old"))
    return found


def _since_damage(seen: Seen) -> str:
    """Say whether a full backup was made after those that are damaged, or is made next."""
    fulls = [one for one in seen.backups if one.kind == "full"]
    ends = [one.ended for one in seen.backups if one.label in seen.damaged]
    if not (fulls and ends):
        return ""
    if fulls[-1].label in seen.damaged:
        return " The next backup is a full one, as nothing may build on what is damaged."
    if fulls[-1].ended < max(ends):
        return ""
    return " A full backup was made since: moments after it need nothing of what is damaged."


def _archiving(seen: Seen) -> list[Finding]:
    wal = seen.archiving
    if wal is None:
        return []
    if not wal.is_on:
        return [Finding("red", "PostgreSQL does not archive: run `espalier site`")]
    found = []
    if wal.dropped:
        found.append(
            Finding(
                "red",
                f"WAL was dropped {_span(seen.now - wal.dropped)} ago, as the destination was away "
                "for too long: moments since the newest backup cannot all be restored until the "
                f"new full backup is there, which {_begins(seen)}",
            )
        )
    late = seen.now - wal.oldest if wal.oldest else 0
    waits = f"{shown_size(wal.waiting)} of {shown_size(wal.bound)}"
    if late > ARCHIVE:
        found.append(Finding("red", f"WAL waits since {_span(late)}: {waits}"))
    if wal.waiting > wal.bound / 2:
        found.append(Finding("red", f"WAL that waits takes {waits}"))
    elif wal.failed > wal.archived and late <= ARCHIVE:
        found.append(Finding("amber", "the last segment of WAL was not copied; it is tried again"))
    return found


def _drill(seen: Seen) -> list[Finding]:
    if not seen.wants_drill:
        return []
    if not seen.may_drill:
        return [Finding("amber", "no restore is proven: hosts.yml has `drill: false`")]
    drill = seen.drill
    if not drill:
        return [Finding("amber", "no restore is proven yet: the first drill is tonight")]
    if drill.get("skipped"):
        return [Finding("amber", f"no restore is proven: {drill['skipped']}")]
    if not drill["ok"]:
        return [Finding("red", f"the drill failed: {drill.get('error', 'it was cut off')}")]
    age = seen.now - drill["ended"]
    if age > NIGHT:
        return [Finding("red", f"the last drill was {_span(age)} ago")]
    found = [
        Finding("amber", f"not every moment can be restored: WAL is missing from {a} to {b}")
        for a, b in drill.get("gaps", [])
    ]
    if drill.get("counted", 1) == 0:  # a version before did not say
        found.append(
            Finding(
                "amber",
                "the last drill had no rows of the site to compare its copy with: the primary "
                "counts them just before each nightly drill (espalier-row-count.timer)",
            )
        )
    return found


def _begins(seen: Seen) -> str:
    """Say when the backup begins that mends a gap."""
    if seen.is_running:
        return "is being made"
    if seen.next_try <= seen.now:
        return "begins by itself"
    moment = datetime.fromtimestamp(seen.next_try, UTC)
    return f"could not be made, and is tried again at {moment:%Y-%m-%d %H:%M} UTC"


def _span(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} minutes"
    return (
        f"{seconds / HOUR:.0f} hours" if seconds < 48 * HOUR else f"{seconds / HOUR / 24:.0f} days"
    )
