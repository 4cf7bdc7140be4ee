"""What the directory with a cluster's data tells of it, without PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

# Where PostgreSQL keeps what ALTER SYSTEM sets, and pgBackRest what it wants of a recovery.
SETTINGS = "postgresql.auto.conf"
# What holds for the recovery of a restored backup alone: a replica that has them would stop at that
# moment.
RECOVERY = (
    "restore_command",
    "recovery_target_time",
    "recovery_target_xid",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_inclusive",
    "recovery_target_action",
    "recovery_target_timeline",
)
# Where one of them is, PostgreSQL recovers at its next start, or follows a primary.
SIGNALS = ("recovery.signal", "standby.signal")


def was_started(data: Path) -> bool:
    """Whether PostgreSQL ever ran there; one that the package has just made holds nothing."""
    return (data / "postmaster.opts").exists()


def has_recovery_settings(data: Path) -> bool:
    """Whether settings of a recovery are there."""
    try:
        lines = (data / SETTINGS).read_text().splitlines()
    except FileNotFoundError:  # or a restore swaps the directory in this moment
        return False
    return any(_is_of(line, RECOVERY) for line in lines)


def will_recover(data: Path) -> bool:
    """Whether those settings are wanted at the next start."""
    return any((data / name).exists() for name in SIGNALS)


def remove_settings(data: Path, names: Collection[str]) -> None:
    """Remove settings of a cluster that does not run."""
    file = data / SETTINGS
    if not file.exists():
        return
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not _is_of(line, names)))


def _is_of(line: str, names: Collection[str]) -> bool:
    found = re.match(r"\s*(\w+)", line)
    return found is not None and found[1] in names
