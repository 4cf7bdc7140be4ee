"""Making snapshots: the repository at first, then one whenever something has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from espalier_machine.uploads_backup import changes, patterns, state, tree, versioning
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError, MissingRepository
from espalier_machine.uploads_backup.restic import PARTIAL, Restic
from espalier_machine.uploads_backup.snapshots import ASIDE, TAG, newest, of_site, words
from espalier_machine.uploads_backup.state import State

# Somebody waits for `begin`: restic itself tries for a quarter of an hour.
ANSWER = 60.0  # seconds
MAKING = 300.0  # seconds
MOST = 20  # paths that are remembered
# A destination that nobody writes to may be gone for weeks.
AT_LEAST = 24 * 3600.0  # seconds


def begin(config: Config) -> dict[str, Any]:
    """Make the repository where there is none, and see that this machine can open it.

    Raises:
        BackupError: it cannot.
    """
    if config.s3:
        return {"ok": True, "made": False, **versioning.check(config)}
    restic = Restic(config)
    try:
        # Without a lock: it would wait for whoever removes old snapshots.
        restic.run("cat", "config", "--no-lock", timeout=ANSWER)
        return {"ok": True, "made": False}
    except MissingRepository:
        if not config.prunes:
            raise BackupError(
                "The machine that keeps the backups has none yet: `espalier site` makes them there."
            ) from None
    remove_unfinished(config.repository)
    restic.run("init", timeout=MAKING)
    restic.run("cat", "config", "--no-lock", timeout=ANSWER)
    state.file().unlink(missing_ok=True)  # what is known is of one that was there before
    return {"ok": True, "made": True}


def remove_unfinished(repository: str) -> None:
    """Remove the keys of a repository on this machine that was cut off while it was made.

    Without its config, which comes last, nothing was ever saved in it. A key that is left over is
    taken for the repository's later, and does not open it.
    """
    if repository.startswith("/"):
        for key in Path(repository, "keys").glob("*"):
            key.unlink()


def run(config: Config, *, accept_fewer: bool = False) -> dict[str, Any]:
    """Make a snapshot where something has changed since the last one began, and once a day.

    The caller holds the lock.

    Args:
        config: the settings.
        accept_fewer: though the backups have far more uploads than there are here.

    Raises:
        BackupError: what has changed is not saved.
    """
    known, now = state.load(config.repository), time.time()
    try:
        if config.s3:
            answer = versioning.check(config)
        else:
            answer = {"snapshot": None}
            # Or never, to this destination.
            is_old = now - known.snapshot.get("time", 0) >= AT_LEAST
            if is_old or accept_fewer or changes.is_changed(config.directory):
                known.snapshot = snapshot(config, known, accept_fewer)
                answer = {"snapshot": shown(known.snapshot)}
            check_whole(known.snapshot)
    except (BackupError, OSError) as error:
        known.fails(str(error), now)
        state.save(known)
        raise
    if answer != {"snapshot": None} or known.error:
        known.succeeds()
        state.save(known)
    return {"ok": True, **answer}


def check_whole(known: Mapping[str, Any]) -> None:
    """Refuse to call uploads saved that restic could not read, until a snapshot has them."""
    if unread := known["unread"]:
        raise BackupError(
            f"{len(unread)} uploads could not be read and are not in the newest backup, such as "
            f"{unread[0]}. Has the disk errors?"
        )


def snapshot(config: Config, known: State, accept_fewer: bool) -> dict[str, Any]:
    """Make a snapshot; gives its id, when it began, files, bytes, and what could not be read."""
    if not accept_fewer:
        check_fewer(config, known)
    stamp = changes.begin()
    made = _snapshot(config, TAG)
    stamp.rename(changes.stamp())
    return made


def aside(config: Config) -> None:
    """Save what a restore is about to replace.

    Raises:
        BackupError: it could not be saved.
    """
    _snapshot(config, f"{TAG},{ASIDE}")


def _snapshot(config: Config, tags: str) -> dict[str, Any]:
    directory, began = config.directory, time.time()
    done = Restic(config).run(
        *("backup", "--json", "--tag", tags, "--host", config.site),
        *(word for name in excluded(directory) for word in ("--exclude", name)),
        str(directory),
        ok=(0, PARTIAL),
    )
    messages = done.messages()
    summary = next(one for one in messages if one.get("message_type") == "summary")
    return {
        "id": summary["snapshot_id"][:8],
        "time": began,
        "files": summary["total_files_processed"],
        "bytes": summary["total_bytes_processed"],
        # Others were deleted while it ran.
        "unread": [path for path in unreadable(messages) if os.path.lexists(path)][:MOST],
    }


def check_fewer(config: Config, known: State) -> None:
    """Refuse a snapshot that would stand for the site's uploads, and has hardly any of them.

    A machine that is new, or whose disk is not mounted, has nothing. The newest snapshot would be
    of that, and so would be what `restore --to latest` brings back.

    Raises:
        BackupError: there are far more uploads in the backups.
    """
    here = changes.count_files(config.directory)
    if known.snapshot:
        if known.snapshot["files"] and not here:
            raise BackupError(fewer(known.snapshot["files"], here, shown(known.snapshot)["time"]))
        return
    restic = Restic(config)
    if last := newest(of_site(restic)):
        entries = tree.of_snapshot(restic, last).entries
        saved = sum(one.kind == tree.FILE for one in entries.values())
        if saved > 2 * here:
            raise BackupError(fewer(saved, here, words(last.time)))


def fewer(saved: int, here: int, when: str) -> str:
    """What a person is told who may have lost uploads."""
    return (
        f"The newest backup of uploads ({when}) has {saved} files, and this machine has {here}. Is "
        "its disk a new one, or not mounted? Bring the uploads back with `uploads-backup restore "
        "--to latest`. If the others are gone on purpose, run `uploads-backup run --accept-fewer` "
        "on the machine once. Until then no snapshot is made."
    )


def excluded(directory: Path) -> list[str]:
    """What is no upload, as patterns of restic's."""
    top = patterns.escape(str(directory))
    return [f"{top}/{name}" for name in (*tree.PASSING, f"{tree.OWN}*")]


def unreadable(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The paths that restic could not read, of what it has said."""
    return sorted(
        {one["item"] for one in messages if one.get("message_type") == "error" and one.get("item")}
    )


def shown(known: Mapping[str, Any]) -> dict[str, Any]:
    """A snapshot of the state, as an answer has it."""
    plain = {name: known[name] for name in ("id", "files", "bytes")}
    return {**plain, "time": state.words(known["time"])}
