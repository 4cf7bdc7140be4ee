"""What this program remembers between its runs: a small file of JSON for each subject."""

from __future__ import annotations

import json
import os
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
    new = folder / f".{name}.new"
    new.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(new, folder / f"{name}.json")
