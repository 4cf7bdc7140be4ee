"""The file with a dump, from when it is written until whoever asked for it has fetched it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from espalier_machine.database_backup.config import STATE

NAME = "export-*.dump"
FORGOTTEN = 24 * 3600  # seconds after which nobody fetches it any more


def create(folder: Path = STATE) -> Path:
    """Make an empty one, for nobody but its owner to read."""
    before, after = NAME.split("*")
    with tempfile.NamedTemporaryFile(
        prefix=before, suffix=after, dir=folder, delete=False
    ) as file:  # with the mode 0600
        return Path(file.name)


def remove_forgotten(folder: Path = STATE) -> None:
    """Remove those that nobody has fetched and removed: whoever asked for them was lost."""
    for file in folder.glob(NAME):
        if time.time() - file.stat().st_mtime > FORGOTTEN:
            file.unlink()
