"""A proof for every night: some uploads come back, and are compared with those on the disk.

They are read out of the newest snapshot, file by file, and written nowhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from espalier_machine.common.text import counted
from espalier_machine.uploads_backup import state, tree
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import newest, of_site, words
from espalier_machine.uploads_backup.tree import FILE, Entry

USUAL = 20  # files
MOST = 2**30  # bytes
SPARE = 4  # times as many are drawn, as some are too large
CHUNK = 2**20  # bytes
# What becomes of a path where an upload is deleted, or something else comes to its name.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR)
Upload = tuple[str, Entry]


def verify_sample(config: Config, count: int = USUAL) -> dict[str, Any]:
    """Compare some files of the newest snapshot with the disk, and remember what came of it.

    Args:
        config: the settings.
        count: how many files.

    Returns: `ok`, and as `shown` has it.

    Raises:
        BackupError: they cannot be read. That is remembered, too.
    """
    known: dict[str, Any] = {"time": time.time(), "files": 0, "bytes": 0, "compared": 0}
    known |= {"damaged": [], "differing": [], "error": ""}
    try:
        known |= _verify(config, count)
        known["error"] = sentence(known)
    except (BackupError, OSError) as error:
        _remember(config, {**known, "error": str(error)})
        raise
    # Not where it was ended, for a restore or a shutdown: that proves nothing.
    return {"ok": not known["error"], **shown(_remember(config, known))}


def _remember(config: Config, known: dict[str, Any]) -> dict[str, Any]:
    """Keep a sample, with the seconds that it took; gives both."""
    found = {**known, "seconds": round(time.time() - known["time"], 1)}
    with state.locked():
        new = state.load(config.repository)
        new.sampled = found
        state.save(new)
    return found


def shown(known: dict[str, Any]) -> dict[str, Any]:
    """A sample of the state, as an answer has it."""
    return {**known, "time": state.words(known["time"])}


def sentence(known: dict[str, Any]) -> str:
    """What is wrong with a sample, "" for nothing."""
    said = []
    if damaged := known["damaged"]:
        said.append(f"{len(damaged)} did not come back whole, such as {damaged[0]}")
    if differing := known["differing"]:
        said.append(f"{len(differing)} came back other than on the disk, such as ")
        said[-1] += f"{differing[0]}: the disk or the copy is damaged"
    return f"Of {counted(known['files'], 'upload')} {'; '.join(said)}." if said else ""


def _verify(config: Config, count: int) -> dict[str, Any]:
    directory, restic = config.directory, Restic(config)
    snapshot = newest(of_site(restic))
    if snapshot is None:
        raise BackupError(f"There is no backup of the uploads of {config.site} yet.")
    nodes = tree.uploads(restic.lines("ls", snapshot.id), snapshot.root)
    found: dict[str, Any] = {"damaged": [], "differing": [], "compared": 0}
    chosen = pick(draw(nodes, count * SPARE), count, MOST)
    for path, entry in chosen:
        size, copy = read(restic.chunks("dump", snapshot.id, f"{snapshot.root}/{path}"))
        if size != entry.size:
            found["damaged"].append(path)
        elif live := digest(directory / path, entry):
            found["compared"] += 1
            found["differing"] += [path] if live != copy else []
    size = sum(entry.size for _, entry in chosen)
    return {"snapshot": words(snapshot.time), "files": len(chosen), "bytes": size, **found}


def draw(uploads: Iterable[Upload], many: int) -> list[Upload]:
    """Return so many files of all at random, in any order; all others are forgotten at once."""
    found: list[Upload] = []
    files = (one for one in uploads if one[1].kind == FILE)
    for number, one in enumerate(files):
        place = number if number < many else random.randrange(number + 1)
        found[place : place + 1] = [one] if place < many else []
    random.shuffle(found)
    return found


def pick(uploads: Sequence[Upload], count: int, most: int) -> list[Upload]:
    """Return the first of some, so many at most, and no more than so many bytes."""
    found: list[Upload] = []
    for path, entry in uploads:
        if len(found) < count and entry.size <= most:
            found.append((path, entry))
            most -= entry.size
    return found


def read(chunks: Iterable[bytes]) -> tuple[int, str]:
    """The size of a content, and its SHA-256."""
    size, found = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        found.update(chunk)
    return size, found.hexdigest()


def digest(file: Path, entry: Entry) -> str:
    """The SHA-256 of a file of the disk; "" where it is another version than was saved.

    Whoever may write there may exchange it meanwhile: no link is followed, no pipe waited for.

    Raises:
        OSError: the disk cannot read it.
    """
    try:
        with open(file, "rb", opener=_open) as stream:
            if not _is(stream.fileno(), entry):
                return ""
            _, found = read(iter(lambda: stream.read(CHUNK), b""))
            return found if _is(stream.fileno(), entry) else ""
    except OSError as error:
        if error.errno in GONE:
            return ""
        raise


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is(descriptor: int, entry: Entry) -> bool:
    now = tree.of_stat(os.fstat(descriptor))
    return now is not None and now[:3] == entry[:3]
