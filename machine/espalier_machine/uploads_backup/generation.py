"""Which machine's uploads are the site's: whoever takes them over begins a generation of snapshots.

It is as with the database's timelines. A run of the site takes over. A machine that was replaced,
and comes back, has an older generation than the destination, and adds nothing to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from espalier_machine.uploads_backup import state
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.snapshots import Snapshot


def file() -> Path:
    """Where this machine's is kept: beside the state, which a run of the site may forget."""
    return state.home() / "generation.json"


def mine(repository: str) -> int:
    """This machine's generation at a destination; 0 for none yet."""
    try:
        found = json.loads(file().read_text())
        return int(found["generation"]) if found["repository"] == repository else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def take_over(repository: str, snapshots: Iterable[Snapshot]) -> None:
    """Begin a generation, unless this machine has the newest one."""
    known, newest = mine(repository), newest_of(snapshots)
    if not known or known < newest:
        staged = file().with_suffix(".new")
        staged.write_text(json.dumps({"repository": repository, "generation": newest + 1}) + "\n")
        staged.rename(file())


def check(repository: str, snapshots: Iterable[Snapshot]) -> None:
    """Refuse to add to the backups of a machine that has taken over from this one.

    Raises:
        BackupError: one has.
    """
    if mine(repository) < newest_of(snapshots):
        raise BackupError(
            "The site's uploads were restored on another machine, or moved to it, which adds to "
            "these backups since then: this one must not. Switch it off. If it is the right one, "
            "`espalier site` with it in hosts.yml has it take over again."
        )


def newest_of(snapshots: Iterable[Snapshot]) -> int:
    """The newest generation of some snapshots; 0 for none."""
    return max((one.generation for one in snapshots), default=0)
