"""A proof for every night: some uploads are restored and compared with those on the disk."""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espalier_machine.uploads_backup import state, tree
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.patterns import batches, escape
from espalier_machine.uploads_backup.place import free
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import newest, of_site
from espalier_machine.uploads_backup.tree import FILE, Entry

MOST = 2**30  # bytes


def verify_sample(config: Config, count: int) -> dict[str, Any]:
    """Restore some files of the newest snapshot, and compare them with the disk.

    Args:
        config: the settings.
        count: how many files.

    Raises:
        BackupError: they could not be restored.
    """
    directory, restic = config.directory, Restic(config)
    snapshot = newest(of_site(restic))
    if snapshot is None:
        raise BackupError(f"There is no backup of the uploads of {config.site} yet.")
    entries = tree.of_snapshot(restic, snapshot).entries
    paths = list(entries)
    random.shuffle(paths)
    chosen = pick(paths, entries, count, min(MOST, free(state.home()) // 2))
    with tempfile.TemporaryDirectory(dir=state.home(), prefix="sample-") as folder:
        for batch in batches([escape(f"{snapshot.root}/{path}") for path in chosen]):
            words = [word for pattern in batch for word in ("--include", pattern)]
            restic.run("restore", snapshot.id, "--target", folder, *words)
        restored = Path(folder) / snapshot.root.lstrip("/")
        answer = compare(chosen, entries, restored, directory)
    size = sum(entries[path].size for path in chosen)
    ok = not answer["missing"] and not answer["differing"]
    return {"ok": ok, "snapshot": snapshot.to_data(), "files": len(chosen), "bytes": size, **answer}


def pick(paths: Sequence[str], entries: Mapping[str, Entry], count: int, most: int) -> list[str]:
    """Return the first files of some, so many at most, and no more than so many bytes."""
    found: list[str] = []
    for path in paths:
        entry = entries[path]
        if len(found) < count and entry.kind == FILE and entry.size <= most:
            found.append(path)
            most -= entry.size
    return found


def compare(
    paths: Sequence[str], entries: Mapping[str, Entry], restored: Path, live: Path
) -> dict[str, Any]:
    """Compare restored files with those of the disk that are as old and as large."""
    missing, differing, compared = [], [], 0
    for path in paths:
        file = restored / path
        if not file.is_file() or file.stat().st_size != entries[path].size:
            missing.append(path)
            continue
        try:
            now = tree.of_stat((live / path).lstat())
            if now is None or now[:3] != entries[path][:3]:
                continue
            is_same = digest(live / path) == digest(file)
        except FileNotFoundError:  # deleted since
            continue
        compared += 1
        if not is_same:
            differing.append(path)
    return {"compared": compared, "missing": missing, "differing": differing}


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
