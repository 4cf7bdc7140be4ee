"""Making snapshots: the repository at first, then one whenever something has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from espalier_machine.common.text import counted
from espalier_machine.uploads_backup import changes, generation, patterns, state, tree, versioning
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError, MissingRepository
from espalier_machine.uploads_backup.restic import ENDED, PARTIAL, Restic
from espalier_machine.uploads_backup.snapshots import (
    ASIDE,
    TAG,
    all_of_site,
    newest,
    of_site,
    words,
)
from espalier_machine.uploads_backup.state import State

# Somebody waits for `begin`: restic itself tries for a quarter of an hour.
ANSWER = 60.0  # seconds
# A new machine fetches each of thousands of snapshots first.
LISTING = 600.0  # seconds
MAKING = 300.0  # seconds
MOST = 20  # paths that are remembered
# A destination that nobody writes to may be gone for weeks.
AT_LEAST = 24 * 3600.0  # seconds
# Or somebody may have emptied it.
LOOK = 3600.0  # seconds
# A restic that hangs does not fail by itself, so nobody would be told.
LONGEST = 3600.0  # seconds
# The site is closed meanwhile.
WAIT = 60.0  # seconds


def begin(config: Config) -> dict[str, Any]:
    """Make the repository where there is none, and see that this machine can open it.

    A machine with uploads takes over from the one that has made the newest snapshot.

    Raises:
        BackupError: it cannot.
    """
    if config.s3:
        return {"ok": True, "made": False, **versioning.check(config)}
    restic = Restic(config)
    try:
        # Without a lock: it would wait for whoever removes old snapshots.
        restic.run("cat", "config", "--no-lock", timeout=ANSWER)
        if config.media:
            found = of_site(restic, "--no-lock", timeout=LISTING)
            generation.take_over(config.repository, found)
        forgive(config)
        return {"ok": True, "made": False}
    except MissingRepository:
        if not config.prunes:
            raise BackupError(
                "The machine that keeps the backups has none yet: `espalier site` makes them there."
            ) from None
    remove_unfinished(config.repository)
    restic.run("init", timeout=MAKING)
    restic.run("cat", "config", "--no-lock", timeout=ANSWER)
    for known in (state.file(), changes.stamp()):  # of one that was there before
        known.unlink(missing_ok=True)
    if config.media:
        generation.take_over(config.repository, [])
    return {"ok": True, "made": True}


def forgive(config: Config) -> None:
    """Tell no more of backups that are gone: who runs the site was told."""
    if state.load(config.repository).lost:
        with state.locked("begin", ANSWER):
            known = state.load(config.repository)
            known.lost, known.snapshot, known.forgot = "", {}, {}
            state.save(known)


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
            known.warning = answer["warning"]
        else:
            answer = {"snapshot": None}
            # Or never, to this destination.
            is_old = now - known.snapshot.get("time", 0) >= AT_LEAST
            is_due = is_old or accept_fewer or changes.is_changed(config.directory)
            if is_due or now - known.looked >= LOOK:
                known.lost, known.looked = look(config, known), now
            if is_due:
                known.snapshot = snapshot(config, known, accept_fewer)
                answer = {"snapshot": shown(known.snapshot)}
            check_whole(known.snapshot)
            if known.lost:
                raise BackupError(known.lost)
    except (BackupError, OSError) as error:
        if isinstance(error, MissingRepository) and known.has_saved:
            error = BackupError(gone(known))
        known.fails(str(error), now)
        state.save(known)
        raise error from None
    if answer != {"snapshot": None} or known.error or known.looked == now:
        known.succeeds()
        state.save(known)
    return {"ok": True, **answer}


def look(config: Config, known: State) -> str:
    """See that the destination has what this machine gave it; gives what is wrong, "" for nothing.

    What is lost there is told until a run of the site (`begin`); copies are made all the same.

    Raises:
        BackupError: it does not answer, or another machine has taken over.
    """
    # Also what this machine added while another one had taken over: that is not gone.
    found = all_of_site(Restic(config), "--no-lock", timeout=LISTING)
    generation.check(config.repository, found)
    ids = {one.id[:8] for one in found}
    return gone(known) if known.snapshot and known.snapshot["id"] not in ids else known.lost


BY_A_RUN = "New ones begin with `espalier site`, which ends this message, too."


def gone(known: State, ends: str = BY_A_RUN) -> str:
    """What a person is told whose backups were deleted, and what ends that."""
    at = known.snapshot.get("time") or known.forgot["time"]
    return (
        f"The backups of uploads that were at the destination at {state.words(at)} are gone: were "
        f"they deleted there? What is on the disk is all that there is. {ends}"
    )


def check_whole(known: Mapping[str, Any]) -> None:
    """Refuse to call uploads saved that restic could not read, until a snapshot has them."""
    if unread := known["unread"]:
        raise BackupError(
            f"The newest backup lacks {counted(len(unread), 'upload')} that could not be read, "
            f"such as {unread[0]}. Has the disk errors?"
        )


def snapshot(config: Config, known: State, accept_fewer: bool) -> dict[str, Any]:
    """Make a snapshot; gives its id, when it began, files, bytes, and what could not be read."""
    if not accept_fewer:
        check_fewer(config, known)
    stamp = changes.begin()
    # The first one may take as long as its unit lets it, and one after a failure, which was told.
    made = _snapshot(Restic(config), TAG, LONGEST if known.snapshot and not known.error else None)
    stamp.rename(changes.stamp())
    return made


def aside(config: Config) -> None:
    """Save what a restore is about to replace.

    Raises:
        BackupError: it could not be saved.
    """
    _snapshot(Restic(config, WAIT), f"{TAG},{ASIDE}", LONGEST)


def _snapshot(restic: Restic, tags: str, longest: float | None) -> dict[str, Any]:
    config, began = restic.config, time.time()
    directory = config.directory
    if number := generation.mine(config.repository):
        tags += f",generation-{number}"
    done = restic.run(
        *("backup", "--json", "--tag", tags, "--host", config.site),
        *(word for name in excluded(directory) for word in ("--exclude", name)),
        str(directory),
        ok=(0, PARTIAL, ENDED),
        timeout=longest,
    )
    if done.status == ENDED:
        raise BackupError(
            f"A backup took longer than {(longest or 0) / 60:.0f} minutes, and was ended. Does the "
            "destination still take data? The next one may take 12 hours: where much was uploaded "
            "at once, all is well when that one has ended."
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
        f"The newest backup of uploads ({when}) has {counted(saved, 'file')}, and this machine has "
        f"{here}. Is its disk a new one, or not mounted? Bring the uploads back with "
        "`uploads-backup restore --to latest`. If the others are gone on purpose, run "
        "`uploads-backup run --accept-fewer` on the machine once. Until then no snapshot is made."
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
