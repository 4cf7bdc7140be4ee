"""Bringing one upload back, beside what is there under its name now."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from espalier_machine.uploads_backup import build, plan, tree
from espalier_machine.uploads_backup.choose import AFTER, BEFORE, choose_one
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.held import below
from espalier_machine.uploads_backup.patterns import escape
from espalier_machine.uploads_backup.place import workshop
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import (
    LATEST,
    TAG,
    Snapshot,
    around,
    moment,
    nanoseconds,
    of_site,
    words,
)
from espalier_machine.uploads_backup.state import SOON
from espalier_machine.uploads_backup.tree import FILE, Entry, Listing


class Found(NamedTuple):
    """A version of an upload.

    Attributes:
        snapshot: which one has it; None where it is on the disk.
        entry: what it is.
        top: the directory of uploads in that snapshot.
    """

    snapshot: Snapshot | None
    entry: Entry
    top: Entry | None


def restore_file(config: Config, given: str, to: str) -> dict[str, Any]:
    """Bring one upload back as it was at a moment. The caller holds the lock.

    Args:
        config: the settings.
        given: its path, below the directory of uploads or whole.
        to: a time of ISO 8601 with its zone; or `latest`, which is the newest version there is.

    Raises:
        BackupError: no backup of that moment has it.
    """
    directory, restic = config.directory, Restic(config, SOON)
    path, asked = relative(given, config.media, str(directory)), moment(to, time.time_ns())
    seen, now = of_site(restic), on_disk(directory / path)
    found = at_moment(restic, seen, path, asked, now, latest=to == LATEST)
    if to == LATEST and not found:
        found = newest_with(restic, seen, path)
    if not found:
        raise BackupError(missing(restic, path, asked))
    snapshot, entry, top = found
    answer = {
        "ok": True,
        "path": path,
        "moment": words(asked),
        "written": words(entry.mtime),
        "bytes": entry.size,
    }
    if snapshot is None or entry[:3] == (now or ())[:3]:
        return {**answer, "unchanged": True, "restored": None, "snapshot": None}
    name = bring(config, restic, snapshot, top, entry, path)
    restored = f"{directory}/{name}"
    return {**answer, "unchanged": False, "restored": restored, "snapshot": snapshot.to_data()}


def at_moment(
    restic: Restic,
    seen: Sequence[Snapshot],
    path: str,
    asked: int,
    now: Entry | None,
    *,
    latest: bool,
) -> Found | None:
    """The version of a moment: of which snapshot (None: as it is on the disk), and what it is."""
    pair = dict(zip((BEFORE, AFTER), around(seen, asked, latest), strict=True))
    listings = {where: beside(restic, one, path) for where, one in pair.items() if one}
    found = {where: one.entries.get(path) for where, one in listings.items()}
    version = choose_one(found.get(BEFORE), found.get(AFTER, now), asked)
    if version is None or version.entry.kind != FILE:
        return None
    listing = listings.get(version.where)
    return Found(pair[version.where], version.entry, listing.top if listing else None)


def newest_with(restic: Restic, seen: Sequence[Snapshot], path: str) -> Found | None:
    """The newest version of all backups."""
    times = matches(restic, path)
    for snapshot in reversed(seen):
        if snapshot.id in times:
            listing = beside(restic, snapshot, path)
            if entry := listing.entries.get(path):
                return Found(snapshot, entry, listing.top)
    return None


def bring(
    config: Config, restic: Restic, snapshot: Snapshot, top: Entry | None, entry: Entry, path: str
) -> str:
    """Put a version of an upload beside its name; gives the path that it has there."""
    directory, owner = config.directory, plan.owner(config)
    name = f"{path}.restored-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    if owner:
        entry = build.owners(top, owner)(entry)
    with workshop(directory) as place:
        into = place / "fetched"
        pattern = escape(f"{snapshot.root}/{path}")
        restic.run("restore", snapshot.id, "--target", str(into), "--include", pattern)
        fetched, ready = into / snapshot.root.lstrip("/"), place / "ready"
        (ready / path).parent.mkdir(parents=True)
        build.move({path: entry}, [path], fetched, ready)
        parent = str(PurePosixPath(path).parent).removeprefix(".")
        with below(directory, parent, (entry.uid, entry.gid)) as folder:
            (ready / path).rename(folder / PurePosixPath(name).name)
    return name


def relative(given: str, *directories: str) -> str:
    """An upload's path below their directory.

    Raises:
        BackupError: it is none.
    """
    path = PurePosixPath(given)
    for directory in directories:
        if path.is_relative_to(directory):
            path = path.relative_to(directory)
            break
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BackupError(
            f"{given} is no upload. Write its path below {directories[0]}, such as "
            "photos/2026/garden.jpg."
        )
    return str(path)


def beside(restic: Restic, snapshot: Snapshot, path: str) -> Listing:
    """What a snapshot has in the directory that an upload is in, and the top one itself."""
    parent, above = (
        PurePosixPath(f"{snapshot.root}/{path}").parent,
        PurePosixPath(snapshot.root).parent,
    )
    return tree.parse(restic.lines("ls", snapshot.id, str(parent), str(above)), snapshot.root)


def on_disk(path: Path) -> Entry | None:
    """What is there under an upload's name now."""
    try:
        return tree.of_stat(path.lstat())
    except OSError:
        return None


def matches(restic: Restic, path: str) -> dict[str, list[int]]:
    """When an upload was written, as each snapshot that has one of that name says, by its id."""
    where = ("--host", restic.config.site, "--tag", TAG)
    return {
        found["snapshot"]: [
            nanoseconds(one["mtime"]) for one in found["matches"] if one["type"] == FILE
        ]
        for found in restic.json("find", *where, escape(path))
    }


def missing(restic: Restic, path: str, asked: int) -> str:
    """What a person is told whose upload no backup of that moment has."""
    at = f"No backup of {words(asked)} has {path}."
    times = sorted({time for found in matches(restic, path).values() for time in found})
    if not times:
        return f"{at} Nor has any other: is the path right?"
    return f"{at} Others have it, written at {', '.join(map(words, times[-3:]))}."
