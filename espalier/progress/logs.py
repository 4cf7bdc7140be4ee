"""The log of a run: a file that only its owner reads, in the directory of the user's state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from espalier.inventory.site import SiteError

KEPT = 20  # logs, of all environments together


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where logs are (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME") or ""
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local/state"
    return base / "espalier/logs"


def create(environment: str, command: str, folder: Path | None = None) -> TextIO:
    """Make a log, and remove the oldest ones.

    Args:
        environment: a word for the site.
        command: what is logged, as `site` or `release`.
        folder: where; the user's state directory by default.

    Raises:
        SiteError: it cannot be written.
    """
    folder = folder or directory()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = _open(folder, environment, command)
    except OSError as error:
        raise SiteError(
            f"No log can be written to {folder} ({error.strerror}): make that possible, or name "
            "another directory in XDG_STATE_HOME.",
            2,
        ) from error
    with suppress(OSError):  # another run may remove them too
        for old in sorted(folder.glob("*.log"), key=lambda one: one.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return log


def _open(folder: Path, environment: str, command: str) -> TextIO:
    began = datetime.now(UTC)
    while True:
        path = folder / f"{environment}-{began:%Y%m%d-%H%M%S}-{command}.log"
        try:
            # Whoever asked for it closes it.
            return open(path, "x", opener=_private)
        except FileExistsError:  # two of them in one second
            began += timedelta(seconds=1)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def shown(path: str) -> str:
    """A path as a person writes it: `~` for the home directory."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path
