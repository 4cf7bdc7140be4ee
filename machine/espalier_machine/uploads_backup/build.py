"""Building the tree of a restore: what the disk still has is linked, the rest is fetched."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from espalier_machine.common.text import counted
from espalier_machine.uploads_backup import patterns
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import Snapshot
from espalier_machine.uploads_backup.tree import DIRECTORY, FILE, Entry, Listing, of_stat

Owned = Callable[[Entry], Entry]


def owners(top: Entry | None, here: tuple[int, int]) -> Owned:
    """How the owners of a snapshot are called on this machine.

    Numbers of users differ between machines. Whom the directory of uploads belonged to is whom it
    belongs to now; others stay as they were.

    Args:
        top: the directory in the snapshot.
        here: the user and the group of uploads on this machine.
    """
    if top is None:
        return lambda entry: entry
    users, groups = {top.uid: here[0]}, {top.gid: here[1]}
    return lambda entry: entry._replace(
        uid=users.get(entry.uid, entry.uid), gid=groups.get(entry.gid, entry.gid)
    )


def unchanged(chosen: Mapping[str, Entry], disk: Mapping[str, Entry]) -> set[str]:
    """The files and symlinks that the disk has as they were chosen. Pure."""
    return {
        path
        for path, entry in chosen.items()
        if entry.kind != DIRECTORY and disk.get(path) == entry
    }


def make_directories(chosen: Mapping[str, Entry], tree: Path) -> None:
    """Make the directories, for root alone until `finish`."""
    for path, entry in chosen.items():
        if entry.kind == DIRECTORY:
            (tree / path).mkdir(mode=0o700)


def link(chosen: Mapping[str, Entry], paths: Collection[str], live: Path, tree: Path) -> set[str]:
    """Link what the disk has into the tree; gives what is there then.

    They may change meanwhile, and so may what leads to them: what counts is what was linked.
    """
    linked = set()
    for path in paths:
        try:
            os.link(live / path, tree / path, follow_symlinks=False)
        except OSError:
            continue
        if of_stat((tree / path).lstat()) == chosen[path]:
            linked.add(path)
        else:
            (tree / path).unlink()
    return linked


def fetch(
    restic: Restic,
    snapshot: Snapshot,
    listing: Listing,
    wanted: Collection[str],
    into: Path,
) -> Path:
    """Have restic restore files of a snapshot; gives the directory that they are in.

    Raises:
        BackupError: it could not.
    """
    paths = patterns.cover(wanted, listing.entries)
    full = [patterns.escape("/".join(filter(None, [snapshot.root, path]))) for path in paths]
    for batch in patterns.batches(full):
        words = [word for pattern in batch for word in ("--include", pattern)]
        restic.run("restore", snapshot.id, "--target", str(into), *words)
    return into / snapshot.root.lstrip("/")


def move(chosen: Mapping[str, Entry], paths: Collection[str], fetched: Path, tree: Path) -> None:
    """Move what was fetched into the tree.

    Raises:
        BackupError: something did not come, or came as something else.
    """
    wrong = []
    for path in paths:
        entry = chosen[path]
        with suppress(OSError):
            (fetched / path).rename(tree / path)
            os.chown(tree / path, entry.uid, entry.gid, follow_symlinks=False)
            if entry.kind == FILE:
                os.chmod(tree / path, entry.mode)  # a change of owner takes bits away
            came = of_stat((tree / path).lstat())
            if came and came[:2] == entry[:2]:
                continue
        wrong.append(path)
    if wrong:
        raise BackupError(
            f"{counted(len(wrong), 'upload')} did not come as in the backup, such as {wrong[0]}. "
            "Nothing was changed."
        )


def finish(chosen: Mapping[str, Entry], tree: Path) -> None:
    """Give the directories their owners, modes and times, the innermost first."""
    for path in sorted(chosen, reverse=True):
        entry = chosen[path]
        if entry.kind == DIRECTORY:
            os.chown(tree / path, entry.uid, entry.gid)
            os.chmod(tree / path, entry.mode)
            os.utime(tree / path, ns=(entry.mtime, entry.mtime))
