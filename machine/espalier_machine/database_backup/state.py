"""What this program remembers between its runs: a small file of JSON for each subject."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from espalier_machine.database_backup.config import STATE


def load(name: str, folder: Path = STATE) -> dict[str, Any]:
    """Return what was saved; {} for nothing yet."""
    try:
        found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def save(name: str, value: dict[str, Any], folder: Path = STATE) -> None:
    """Save it; whoever reads it meanwhile finds the old or the new."""
    # Root and PostgreSQL's user save the same subjects: neither is to find the other's half.
    descriptor, new = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(descriptor, "w") as stream:
            stream.write(json.dumps(value, indent=1) + "\n")
        os.chmod(new, 0o644)  # who may enter the directory may read
        os.replace(new, folder / f"{name}.json")
    except BaseException:
        os.unlink(new)
        raise
