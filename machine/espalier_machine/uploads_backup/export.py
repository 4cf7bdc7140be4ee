"""Uploads as they were at a moment, as a tar stream for another environment.

The backups say which version of each file the moment had. Its content is read from the disk where
that still has this version, and from the backups otherwise. No upload is touched, not even linked:
that would make each one a changed file, and the next snapshot read all of them.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tarfile import TarFile
from typing import IO, Any

from espalier_machine.common import lifeline, plain_tar
from espalier_machine.common.text import counted
from espalier_machine.uploads_backup import build, plan, restore, save, state
from espalier_machine.uploads_backup.choose import CLOCKS
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.held import open_below
from espalier_machine.uploads_backup.place import EXPORTING, workshop
from espalier_machine.uploads_backup.plan import Plan
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import LATEST, moment
from espalier_machine.uploads_backup.tree import FILE, LINK, Entry, of_stat

Files = Mapping[str, Entry]


def export(config: Config, to: str, out: IO[bytes]) -> dict[str, Any]:
    """Write a line of JSON, and the tar stream.

    The line has `files` and their `bytes`; how many were `skipped`, as they are symlinks or their
    names no UTF-8; and why what has just come is `unsaved`, null where it was saved.

    The caller holds no lock: this may take hours, and uploads are saved meanwhile.

    Args:
        config: the settings.
        to: `latest`, or a time of ISO 8601 with its zone.
        out: where they go.

    Raises:
        BackupError: it is not possible; where the line was written, the stream has no end.
    """
    # The moment is that of the database, whose machine may have another clock.
    live, asked = config.directory, moment(to, time.time_ns() + CLOCKS)
    with _alone(), workshop(live, EXPORTING) as place:
        unsaved = save_new(config)
        made = plan.make(config, asked, live, latest=to == LATEST, with_disk=False)
        files = {path: one for path, one in made.entries.items() if one.kind == FILE}
        fetched = fetch(config, made, live, place / "first")
        line = {
            "files": len(files),
            "bytes": sum(one.size for one in files.values()),
            "skipped": skipped(made),
            "unsaved": unsaved,
        }
        out.write(f"{json.dumps(line)}\n".encode())
        out.flush()
        with plain_tar.open_for(out) as archive, _unread(out):
            if changed := add(archive, files, fetched, live):
                late = dataclasses.replace(made, linked=made.chosen.keys() - changed)
                left = {path: files[path] for path in sorted(changed)}
                if wrong := add(archive, left, fetch(config, late, live, place / "late"), live):
                    raise BackupError(
                        f"{counted(len(wrong), 'upload')} did not come as in the backup, such as "
                        f"{min(wrong)}."
                    )
        out.flush()
    return {"ok": True}


def save_new(config: Config) -> str | None:
    """Save what has changed, as each minute; gives why it could not be saved.

    Whatever changes after that is in a snapshot as it was.
    """
    try:
        with state.locked():
            save.run(config)
    except (BackupError, OSError) as error:
        return str(error)
    return None


def skipped(made: Plan) -> int:
    """How many symlinks there are, and names that no database has."""
    unreadable = max(found.unreadable for found in made.listings.values())
    return unreadable + sum(one.kind == LINK for one in made.entries.values())


def fetch(config: Config, made: Plan, live: Path, into: Path) -> dict[str, Path]:
    """Have restic restore the files of a plan that are not on the disk; gives where each one is.

    Raises:
        BackupError: it could not, or the disk has no room.
    """
    found: dict[str, Path] = {}
    for where, listing in made.listings.items():
        if wanted := made.fetched(where):
            if not found:
                restore.check_room(made, live)
            snapshot = made.snapshots[where]
            top = build.fetch(Restic(config), snapshot, listing, wanted, into / where)
            found |= {path: top / path for path in wanted}
    return found


def add(archive: TarFile, files: Files, fetched: Mapping[str, Path], live: Path) -> set[str]:
    """Add files to the stream; gives those that are no more as they were, and were left out.

    Raises:
        BackupError: one was written while it was read.
    """
    changed = set()
    for path, entry in files.items():
        try:
            content = fetched[path].open("rb") if path in fetched else open_below(live, path)
        except OSError:
            changed.add(path)
            continue
        with content:
            if _seen(content) != entry[:3]:
                changed.add(path)
                continue
            plain_tar.add(archive, path, content)
            if _seen(content) != entry[:3]:
                raise BackupError(f"{path} was written while it was read.")
    return changed


def _seen(content: IO[bytes]) -> tuple[str, int, int] | None:
    """The kind, size and time of an open file."""
    found = of_stat(os.fstat(content.fileno()))
    return found[:3] if found else None


@contextmanager
def _unread(out: IO[bytes]) -> Iterator[None]:
    """Drop the end of a stream that nobody reads any more: it would wait for ever."""
    try:
        yield
    except lifeline.Abandoned:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        raise


@contextmanager
def _alone() -> Iterator[None]:
    with (state.home() / "export.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                "Another clone just reads the uploads of this machine. Wait until that has ended, "
                "and run this again."
            ) from None
        yield
