"""Whether something below the directory of uploads has changed since the last snapshot began.

The kernel stamps whatever is written, made, renamed, deleted or given away with a time that no
program can set: the file's `ctime`, or that of the directory that it was in.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from espalier_machine.common import system
from espalier_machine.uploads_backup import state
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.tree import OWN, PASSING

# The kernel's clock of files stands still for up to 10 ms at a time.
TICK = 0.05  # seconds


def stamp() -> Path:
    """The file whose time is when the last snapshot began; it may be missing."""
    return state.home() / "begun"


def begin() -> Path:
    """Make the stamp of a snapshot that begins now; `stamp` is replaced by it when it is done."""
    new = state.home() / "begun.new"
    new.touch()
    began = time.time() - TICK
    os.utime(new, (began, began))
    return new


def is_changed(directory: Path) -> bool:
    """Whether there is something that the last snapshot may lack."""
    return not stamp().exists() or bool(_find(directory, "-print", "-quit"))


def unsaved(directory: Path, now: float) -> int | None:
    """For how many seconds something has been changed that no snapshot has.

    0 where there is nothing of the kind, None where no snapshot was ever made.
    """
    if not stamp().exists():
        return None
    times = [float(line) for line in _find(directory, "-printf", r"%C@\n").splitlines()]
    return max(0, int(now - min(times))) if times else 0


def count_files(directory: Path) -> int:
    """How many files there are."""
    return len(_find(directory, "-type", "f", "-printf", "x", newer=False))


def _find(directory: Path, *action: str, newer: bool = True) -> str:
    """Have `find` look at all but what is passing through."""
    aside = [word for name in PASSING for word in ("-path", f"{_literal(directory)}/{name}", "-o")]
    aside += ["-path", f"{_literal(directory)}/{OWN}*"]
    test = ["-newercm", str(stamp())] if newer else []
    found = system.run(
        *("find", str(directory), "-ignore_readdir_race"),
        *("(", *aside, ")", "-prune", "-o", *test, *action),
    )
    if found.returncode and not directory.is_dir():
        raise BackupError(
            f"{directory} is not there: the uploads of this machine. Is their disk mounted?"
        )
    if found.returncode:
        raise BackupError(f"{directory} cannot be looked through: {found.stderr.strip()}")
    return found.stdout


def _literal(path: Path) -> str:
    """A pattern of `find`'s that matches a path alone."""
    return "".join(f"\\{one}" if one in "\\*?[]" else one for one in str(path))
