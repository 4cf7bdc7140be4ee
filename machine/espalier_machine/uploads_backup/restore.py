"""Bringing the uploads into the state of a moment."""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
from pathlib import Path
from typing import Any

from espalier_machine.common.text import counted
from espalier_machine.uploads_backup import build, plan, save, swap
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.held import held
from espalier_machine.uploads_backup.place import free, place, workshop
from espalier_machine.uploads_backup.plan import Plan
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import LATEST, moment
from espalier_machine.uploads_backup.state import SOON
from espalier_machine.uploads_backup.tree import of_disk


def show(config: Config, to: str, into: str = "") -> dict[str, Any]:
    """What a restore would do; nothing is changed, and nobody waited for.

    Args and Raises are those of `restore`.
    """
    config = dataclasses.replace(config, options=(*config.options, "--no-lock"))
    live = target(config, into)
    asked = moment(to, time.time_ns())
    made = plan.make(config, asked, live, latest=to == LATEST)
    room = free(live)
    return {"ok": True, **made.to_data(), "free": room, "enough": made.bytes_needed() <= room}


def restore(config: Config, to: str, into: str = "") -> dict[str, Any]:
    """Bring the uploads into the state of a moment. The caller holds the lock.

    What is there goes to a directory of its own, which the answer names.

    Args:
        config: the settings.
        to: `latest`, or a time of ISO 8601 with its zone.
        into: another directory than that of the uploads, "" for theirs.

    Raises:
        BackupError: it is not possible; nothing was changed.
    """
    asked, live = moment(to, time.time_ns()), target(config, into)
    unsaved = save_aside(config) if live == config.directory else None
    made = plan.make(config, asked, live, latest=to == LATEST)
    if made.is_there:
        return {"ok": True, **made.to_data(), "replaced": None, "unsaved": unsaved}
    check_room(made, live)
    make_missing(config, live)
    swap.check(live)
    replaced = Path(f"{place(live).replaced}{datetime.datetime.now():%Y%m%d-%H%M%S}")
    with workshop(live) as path, held(live) as old:
        linked = fill(Restic(config, SOON), made, path, old)
        os.sync()
        replaced.mkdir(mode=0o700)
        with held(replaced) as aside:
            swap.swap(path / "tree", old, aside)
    if not os.listdir(replaced):
        replaced.rmdir()
    answer = {**made.to_data(), "linked": len(linked)}
    answer["fetched"] = answer["files"] - len(linked)
    kept = str(replaced) if replaced.exists() else None
    return {"ok": True, **answer, "replaced": kept, "unsaved": unsaved}


def save_aside(config: Config) -> str | None:
    """Save what is about to be replaced; gives why it could not be saved.

    Without that snapshot, too, nothing is lost and all is known: what is replaced stays on the
    disk. Who needs a restore does not fail because the destination is full.
    """
    if of_disk(config.directory).entries:
        try:
            save.aside(config)
        except BackupError as error:
            return str(error)
    return None


def fill(restic: Restic, made: Plan, path: Path, live: Path) -> set[str]:
    """Build the tree of a plan; gives what was linked.

    Args:
        restic: with the repository.
        made: the plan.
        path: an empty directory of root's.
        live: the uploads as they are.

    Raises:
        BackupError: it could not be built.
    """
    tree, entries = path / "tree", made.entries
    tree.mkdir()
    build.make_directories(entries, tree)
    linked = build.link(entries, made.linked, live, tree)
    for where, listing in made.listings.items():
        if not (wanted := made.fetched(where, linked)):
            continue
        if where not in made.snapshots:
            raise BackupError(
                f"{counted(len(wanted), 'upload')} changed during the restore, such as "
                f"{min(wanted)}. Stop Django first. Nothing was changed."
            )
        fetched = build.fetch(restic, made.snapshots[where], listing, wanted, path / where)
        build.move(entries, wanted, fetched, tree)
    build.finish(entries, tree)
    return linked


def target(config: Config, into: str) -> Path:
    """The directory that is restored."""
    directory = config.directory
    return Path(into).resolve() if into else directory


def make_missing(config: Config, live: Path) -> None:
    """Make the directory of uploads where a new disk has none."""
    if not live.exists():
        live.mkdir(parents=True)
        live.chmod(0o755)
        if owner := plan.owner(config):
            os.chown(live, *owner)


def check_room(made: Plan, live: Path) -> None:
    """Refuse a restore that the disk has too little room for.

    Raises:
        BackupError: it has.
    """
    needed, room = made.bytes_needed(), free(live)
    if needed > room:
        raise BackupError(
            f"The disk of {live} has {room // 2**20} MiB free, and the uploads that have to be "
            f"fetched take {needed // 2**20} MiB. Make room, or give it a larger disk. Nothing was "
            "changed."
        )
