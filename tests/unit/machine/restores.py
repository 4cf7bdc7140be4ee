"""Moments that are restored, and a machine on which that goes well or fails."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier_machine.database_backup import recovery, restore
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.target import Target

from .backups import SECOND

MOMENT = 1796031400.0
WHEN = "2026-11-30 09:36:40.000000+00"
AT = Target("time", WHEN, True, 1, True, SECOND["label"], MOMENT, f"as it was at {WHEN}")
LAST = "000000010000000000000007"
ENDS = dataclasses.replace(AT, end=LAST)
ALL = Target("default", "", True, 2, False, SECOND["label"], MOMENT, "all that there is")
AFTER = Target("xid", "726", True, 1, True, SECOND["label"], MOMENT, "just after it")
BEFORE = Target("xid", "726", False, 1, True, SECOND["label"], MOMENT, "just before it")


class Systemd:
    """Plays pgBackRest's restore and PostgreSQL's start: what each of them does, in its order."""

    def __init__(self, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have everything go well."""
        self.machine, self.did = machine, machine.units
        self.failures: list[str] = []
        self.fetch_fails = False
        monkeypatch.setattr(recovery, "fetch", self.fetch)
        monkeypatch.setattr(recovery, "systemctl", lambda *words: self.did.append(words[0]))
        monkeypatch.setattr(recovery, "wait_until_promoted", self.wait)
        monkeypatch.setattr(restore, "subprocess", SimpleNamespace(run=self.run))

    def fetch(self, config: Any, chosen: Target, into: Path, data: Path, conf: Path) -> None:
        """Put a backup into the directory."""
        assert (into.stat().st_mode & 0o777, list(into.iterdir())) == (0o700, [])
        assert data == self.machine.data
        self.did.append("fetch")
        (into / "PG_VERSION").write_text("what came back")
        (into / "postgresql.auto.conf").write_text("recovery_target_time = 'x'\n")
        if self.fetch_fails:
            raise BackupError("The backup cannot be restored: no")

    def wait(self, alive: Any, log: Path, mark: int) -> None:
        """Recover, or fail as is wanted."""
        assert (self.machine.data / "PG_VERSION").read_text() == "what came back"
        assert recovery.is_marked()  # it may be killed in this moment
        (self.machine.data / "postmaster.opts").touch()
        if self.failures:
            why = f"PostgreSQL ended while it recovered: {self.failures.pop(0)}"
            raise BackupError(why, REDONE.format("0/7000110"))
        self.did.append("recovered")

    def run(self, argv: list[str], **how: Any) -> Any:
        """Run systemctl, whatever it says."""
        self.did.append(f"{argv[1]}?")
        return subprocess.CompletedProcess(argv, 0)


TOO_EARLY = "FATAL:  recovery ended before configured recovery target was reached"
# Of PostgreSQL 15.
REDONE = (
    "LOG:  redo done at {} system usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 0.10 s\n"
    "LOG:  last completed transaction was at log time 2026-11-30 09:35:46.802720+00\n"
)
