"""Disks: data that has to be read, and commits that wait until they are on it."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Database, Evidence, Kind, Part
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed
from espalier.insight.rules.memory import more_memory
from espalier.insight.state import (
    DATABASES,
    database_machine,
    held_share,
    is_caused,
    load_of,
    saturated,
    strained,
)
from espalier.insight.words import duration, figure, percent, rate

_READS = ("io:datafileread", "io:datafileprefetch", "io:buffileread", "io:aioiocompletion")
# Who writes WAL waits for IO; who commits meanwhile waits for the lock that the writer has.
_SYNCS = (
    "io:walsync",
    "io:walwrite",
    "io:walinitsync",
    "io:slrusync",
    "io:datafilesync",
    "lwlock:walwrite",
    "lwlock:walsync",
    "lwlock:walinsert",
)


def waits(database: Database, kinds: tuple[str, ...]) -> float:
    """The share of active sessions in some waits; their spelling differs between versions."""
    total = sum(database.waits.values())
    found = sum(v for name, v in database.waits.items() if name.lower().startswith(kinds))
    return found / total if total else 0.0


def is_slow_to_sync(evidence: Evidence) -> bool:
    """Whether commits wait for a disk that takes long to confirm."""
    base = saturated(evidence).database
    share = waits(base, _SYNCS)
    slow = base.sync_wait is None or base.sync_wait >= at.SYNC_SLOW
    return (share >= at.SYNC_WAITS and slow) or (
        base.sync_wait is not None and base.sync_wait >= at.SYNC_SLOW and share >= at.LOCK_WAITS
    )


def syncing(evidence: Evidence) -> Iterator[Finding]:
    """Commits that wait for fsync."""
    end = saturated(evidence)
    base = end.database
    # Locks and commits behind the one that waits are held up by the same disk.
    share = waits(base, _SYNCS) + base.waiting("Lock:")
    caused = share * held_share(end, "database")
    if not is_slow_to_sync(evidence) or (end.timing and not is_caused(evidence, caused)):
        return
    machine = database_machine(evidence)
    said = [f"{percent(waits(base, _SYNCS))} of the active sessions wait for WAL to be on the disk"]
    if base.sync_wait is not None:
        said.append(f"one fsync takes {duration(base.sync_wait)}, {figure(base.commits)} commits/s")
    change = Change(
        Remedy.DISK,
        Place.DISK,
        f"Rent a faster disk for {machine}, one that confirms a write within 1 or 2 ms.",
    )
    yield Finding(
        Place.DISK,
        machine,
        Level.CAUSE,
        min(max(caused, share if not end.timing else 0.0), 1.0),
        said,
        [freed(change, evidence, min(caused, 0.9), {Kind.DISK})],
    )


def reading(evidence: Evidence) -> Iterator[Finding]:
    """Data that does not fit into memory, and is read from the disk."""
    end = saturated(evidence)
    base = end.database
    machine = database_machine(evidence)
    here = end.machines.get(machine)
    share = waits(base, _READS)
    caused = share * held_share(end, "database")
    if base.hit_ratio >= at.HIT_RATIO or share < at.DISK_WAITS:
        return
    if end.timing and not is_caused(evidence, caused, at.DISK_WAITS):
        return
    short = here is not None and (
        here.refaults >= at.REFAULTS or here.limit_hits >= at.LIMIT_HITS or here.swapped_in > 0
    )
    disk = Change(Remedy.DISK, Place.DISK, f"Rent a faster disk for {machine}: reads wait for it.")
    memory = more_memory(evidence, machine)
    changes = [freed(one, evidence, min(caused, 0.9), {Kind.DISK}) for one in (memory, disk)]
    yield Finding(
        Place.MEMORY if short else Place.DISK,
        machine,
        Level.CAUSE,
        min(max(caused, share if not end.timing else 0.0), 1.0),
        [
            f"{percent(share)} of the active sessions wait for data to be read, "
            f"{percent(base.hit_ratio)} of the blocks are in PostgreSQL's memory",
            f"{figure(here.refaults) if here else 0} pages a second are read again soon after they "
            "were dropped",
        ],
        changes if short else changes[::-1],
        explains=DATABASES,
    )


def full(evidence: Evidence) -> Iterator[Finding]:
    """A disk that is busy all the time."""
    for part in strained(evidence):
        if part.kind != Kind.DISK or not _is_waited_for(evidence, part):
            continue
        machine = ", ".join(part.machines)
        change = Change(Remedy.DISK, Place.DISK, f"Rent a faster disk for {machine}.")
        yield Finding(
            Place.DISK,
            machine,
            Level.HARD,
            min(load_of(evidence, part), 1.0),
            [
                f"the disk of {machine} is busy for {percent(min(part.utilisation, 1))} of the "
                f"time; full at {rate(part.bound.value)}"
            ],
            [change],
            part,
        )


def _is_waited_for(evidence: Evidence, part: Part) -> bool:
    """Whether anything waits for the disk: in a container the disk's own figures are the host's."""
    end = saturated(evidence)
    pressed = any(
        (end.machines[name].io_some or 0.0) >= at.IO_SOME
        for name in part.machines
        if name in end.machines
    )
    return pressed or waits(end.database, (*_READS, *_SYNCS)) >= at.LOCK_WAITS
