"""What a restore is made of: which files, where each comes from, and how much that is."""

from __future__ import annotations

import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier_machine.uploads_backup import build, patterns, tree
from espalier_machine.uploads_backup.choose import AFTER, BEFORE, Chosen, choose, uncertain
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import SECOND, Snapshot, around, of_site, words
from espalier_machine.uploads_backup.state import SOON
from espalier_machine.uploads_backup.tree import DIRECTORY, Entry, Listing

# What a disk needs beside the files themselves: their last blocks, directories, and air.
PER_FILE, AIR = 4096, 64 * 2**20


@dataclass(frozen=True)
class Plan:
    """What a restore is made of.

    Attributes:
        moment: nanoseconds since 1970.
        snapshots: those around the moment, as `before` and `after`; either may be missing.
        listings: what they have.
        chosen: the version of each path.
        linked: what the disk has of it, which is not fetched.
        on_disk: how many files and symlinks the disk has.
    """

    moment: int
    snapshots: Mapping[str, Snapshot]
    listings: Mapping[str, Listing]
    chosen: Mapping[str, Chosen]
    linked: set[str]
    on_disk: int

    @property
    def is_there(self) -> bool:
        """Whether the disk has all of it and nothing else."""
        files = [one for one in self.chosen.values() if one.entry.kind != DIRECTORY]
        return len(files) == len(self.linked) == self.on_disk

    @property
    def behind(self) -> int:
        """By how many seconds the newest snapshot is older than the moment: what came since lacks.

        0 where a later one, or the disk, has that.
        """
        last = self.snapshots.get(BEFORE)
        return (self.moment - last.time) // SECOND if last and AFTER not in self.listings else 0

    @property
    def ahead(self) -> int:
        """By how many seconds the oldest snapshot is younger than the moment; 0 where it is not."""
        first = self.snapshots.get(AFTER)
        return (first.time - self.moment) // SECOND if first and BEFORE not in self.listings else 0

    @property
    def entries(self) -> dict[str, Entry]:
        """What is to be at each path, parents first."""
        return {path: version.entry for path, version in self.chosen.items()}

    def fetched(self, where: str, linked: set[str] | None = None) -> set[str]:
        """The files and symlinks that come from a snapshot."""
        there = self.linked if linked is None else linked
        return {
            path
            for path, version in self.chosen.items()
            if version.where == where and version.entry.kind != DIRECTORY and path not in there
        }

    def bytes_to_fetch(self) -> int:
        """How much restic writes."""
        return sum(
            patterns.covered(patterns.cover(self.fetched(where), found.entries), found.entries)
            for where, found in self.listings.items()
        )

    def bytes_needed(self) -> int:
        """How much room that takes."""
        count = sum(len(self.fetched(where)) for where in self.listings)
        return self.bytes_to_fetch() + count * PER_FILE + AIR

    def to_data(self) -> dict[str, Any]:
        """As an answer has it."""
        files = [entry for entry in self.entries.values() if entry.kind != DIRECTORY]
        two = {where: found.entries for where, found in self.listings.items()}
        return {
            "moment": words(self.moment),
            **{w: s.to_data() if (s := self.snapshots.get(w)) else None for w in (BEFORE, AFTER)},
            "files": len(files),
            "bytes": sum(entry.size for entry in files),
            "linked": len(self.linked),
            "fetched": sum(len(self.fetched(where)) for where in self.listings),
            "fetched_bytes": self.bytes_to_fetch(),
            "aside": self.on_disk - len(self.linked),
            "behind": self.behind,
            "ahead": self.ahead,
            "uncertain": len(uncertain(two.get(BEFORE, {}), two.get(AFTER, {}), self.moment)),
            "unreadable_names": sum(found.unreadable for found in self.listings.values()),
        }


def make(
    config: Config, moment: int, live: Path, *, latest: bool = False, with_disk: bool = True
) -> Plan:
    """Look at the snapshots around a moment, and at the disk.

    Args:
        config: the settings.
        moment: nanoseconds since 1970.
        live: the directory that is restored.
        latest: whether the newest state is meant.
        with_disk: whether the disk as it is stands for the snapshot after the moment, where there
            is none yet.

    Raises:
        BackupError: there is nothing to restore, or the snapshots cannot be read.
    """
    restic = Restic(config, SOON)
    pair = dict(zip((BEFORE, AFTER), around(of_site(restic), moment, latest), strict=True))
    snapshots = {where: one for where, one in pair.items() if one}
    listings = {where: tree.of_snapshot(restic, one) for where, one in snapshots.items()}
    here, disk = owner(config), tree.of_disk(live)
    listings = {where: adopted(found, here) for where, found in listings.items()}
    if with_disk and AFTER not in listings and disk.entries:
        listings[AFTER] = disk
    if not snapshots or (latest and BEFORE not in snapshots):
        raise BackupError(f"There is no backup of the uploads of {config.site} yet.")
    found = {where: listing.entries for where, listing in listings.items()}
    chosen = choose(found.get(BEFORE), found.get(AFTER), moment)
    wanted = {path: version.entry for path, version in chosen.items()}
    linked = build.unchanged(wanted, disk.entries)
    on_disk = sum(entry.kind != DIRECTORY for entry in disk.entries.values())
    return Plan(moment, snapshots, listings, chosen, linked, on_disk)


def adopted(listing: Listing, here: tuple[int, int] | None) -> Listing:
    """What a snapshot has, with the owners of this machine."""
    if not here:
        return listing
    to = build.owners(listing.top, here)
    return listing._replace(entries={path: to(one) for path, one in listing.entries.items()})


def owner(config: Config) -> tuple[int, int] | None:
    """The user and the group that uploads belong to here; None where nobody was named.

    Raises:
        BackupError: there is no such user.
    """
    if not config.owner:
        return None
    try:
        found = pwd.getpwnam(config.owner)
    except KeyError:
        raise BackupError(
            f"This machine has no user {config.owner}, to whom uploads belong: `espalier site` "
            "makes it."
        ) from None
    return found.pw_uid, found.pw_gid
