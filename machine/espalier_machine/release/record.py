"""One built release: its directory, and what its release.json says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Release:
    """One built release: its directory, and its release.json, which is written last."""

    path: Path
    record: dict[str, Any]

    @property
    def id(self) -> str:
        """The name of its directory."""
        return self.path.name

    @property
    def age_key(self) -> tuple[str, str]:
        """Sorts releases from the oldest to the newest."""
        return self.record["prepared"], self.id

    @property
    def workdir(self) -> Path:
        """Where manage.py is."""
        return self.path / self.record["workdir"]

    @property
    def python(self) -> str:
        """The interpreter of its virtualenv."""
        return str(self.path / "venv/bin/python")


def valid_id(id: str) -> bool:
    """Whether `id` can name a release's directory."""
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", id, re.ASCII))
