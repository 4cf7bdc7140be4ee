"""What a replica is copied from, and what becomes of what was there; PostgreSQL is played."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier_machine.replica import copy, from_backup
from espalier_machine.replica.cluster import Replica
from espalier_machine.replica.errors import ReplicaError

BACKUP = "the backup of 2026-11-30 09:35 UTC"


class Machine:
    """Plays systemd, PostgreSQL and pg_basebackup.

    Attributes:
        log: what was done, in its order.
        troubles: what the replica's log says at each start, "" where it streams.
        offers: what `database-backup` gives: which backup, and why none.
    """

    def __init__(self, replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have all go well, and no backups be there."""
        self.replica = replica
        self.log: list[str] = []
        self.troubles: list[str] = []
        self.offers = ("", "")
        monkeypatch.setattr(replica, "ask", lambda sql: self.ask(sql))
        monkeypatch.setattr(copy, "drop_slot", lambda _: self.log.append("drop slot"))
        monkeypatch.setattr(copy, "base_backup", lambda _: self.fill("base backup"))
        monkeypatch.setattr(from_backup, "fetch", self.fetch)
        monkeypatch.setattr(copy, "start", lambda _: self.log.append("start"))
        monkeypatch.setattr(copy, "wait_until_streaming", lambda *_: self.wait())
        monkeypatch.setattr(copy, "subprocess", SimpleNamespace(run=self.systemctl))

    def fill(self, what: str) -> None:
        """Have a copy of something in the staging directory."""
        self.log.append(what)
        self.replica.staging.mkdir()
        (self.replica.staging / "PG_VERSION").write_text(what)
        (self.replica.staging / "postgresql.auto.conf").write_text("restore_command = 'get'\n")

    def fetch(self, replica: Replica) -> tuple[str, str]:
        """Fetch a backup, where one is offered."""
        if self.offers[0]:
            self.fill("restore")
        return self.offers

    def systemctl(self, words: list[str], **how: Any) -> None:
        """Stop it."""
        self.log.append(words[1])

    def wait(self) -> str:
        """Run, and stream or not."""
        (self.replica.data / "postmaster.opts").touch()
        return self.troubles.pop(0) if self.troubles else ""

    def ask(self, sql: str) -> str:
        """Forget a setting."""
        if sql == "ALTER SYSTEM RESET restore_command":
            (self.replica.data / "postgresql.auto.conf").write_text("")
        return ""

    def has(self) -> str:
        """Tell what the data is a copy of."""
        return (self.replica.data / "PG_VERSION").read_text()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    replica = Replica("17")
    replica.data, replica.staging = tmp_path / "main", tmp_path / "main.joining"
    replica.log = tmp_path / "log"
    replica.data.mkdir()
    return Machine(replica, monkeypatch)


def copied(machine: Machine) -> str:
    answer = copy.copy_primary(machine.replica, "there was no copy yet")
    assert answer["changed"]
    assert (machine.replica.data / "standby.signal").exists()
    return str(answer["did"])


def settings(machine: Machine) -> str:
    return (machine.replica.data / "postgresql.auto.conf").read_text()


def test_primary_is_copied_where_there_are_no_backups(machine: Machine) -> None:
    assert copied(machine) == "copied the primary, as there was no copy yet"
    assert machine.has() == "base backup"
    assert settings(machine) == ""


def test_backup_is_copied_and_the_archive_forgotten(machine: Machine) -> None:
    machine.offers = (BACKUP, "")
    assert copied(machine) == f"copied {BACKUP}, as there was no copy yet"
    assert machine.log == ["drop slot", "restore", "stop", "start"]
    assert settings(machine) == ""
    assert not (machine.replica.data / copy.FROM_BACKUP).exists()


def test_why_the_backups_do_not_help_is_said(machine: Machine) -> None:
    machine.offers = ("", "The backups are of another database.")
    assert copied(machine) == (
        "copied the primary, as there was no copy yet "
        "(the backups do not help: The backups are of another database.)"
    )
    assert machine.has() == "base backup"


def test_primary_is_copied_where_the_backup_leads_nowhere(machine: Machine) -> None:
    (machine.replica.data / "postmaster.opts").touch()
    (machine.replica.data / "PG_VERSION").write_text("before")
    machine.offers, machine.troubles = (BACKUP, ""), ["requested WAL has already been removed"]
    said = copied(machine)
    assert said.startswith("copied the primary, as there was no copy yet (the backups do not help")
    assert machine.has() == "base backup"
    # What was here is kept; the backup that led nowhere is a copy of what is elsewhere.
    (aside,) = [path for path in machine.replica.data.parent.glob("*") if "retired" in path.name]
    assert (aside / "PG_VERSION").read_text() == "before"
    assert str(aside) in said


def test_copy_that_was_promoted_is_set_aside_whatever_it_was_made_of(machine: Machine) -> None:
    for name in ("postmaster.opts", copy.FROM_BACKUP):
        (machine.replica.data / name).touch()
    assert "what was here is now" in copied(machine)


def test_neither_leads_to_the_primary(machine: Machine) -> None:
    machine.offers, machine.troubles = (BACKUP, ""), ["highest timeline", "highest timeline"]
    with pytest.raises(ReplicaError, match="cannot follow the primary: highest timeline"):
        copied(machine)


def test_half_a_copy_is_removed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(replica: Replica) -> None:
        replica.staging.mkdir()
        raise ReplicaError("no room")

    monkeypatch.setattr(copy, "base_backup", fails)
    with pytest.raises(ReplicaError, match="no room"):
        copied(machine)
    assert not machine.replica.staging.exists()
    assert machine.log[-1] == "drop slot"


def program(folder: Path, script: str) -> Path:
    """Return a program that is Python."""
    path = folder / "database-backup"
    path.write_text(f"#!{sys.executable}\nimport sys, json, time\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def primary(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Replica:
    """A replica whose primary was restored once, and now answers."""
    monkeypatch.undo()
    replica = machine.replica
    history = "1\t0/60000A0\tbefore 2026-11-30 09:36:40+00"
    answers = {
        "CREATE_REPLICATION_SLOT db2 PHYSICAL RESERVE_WAL": "db2|0/0||",
        "READ_REPLICATION_SLOT db2": "physical|0/8000028|2",
        "IDENTIFY_SYSTEM": "77|2|0/9000110|",
        "TIMELINE_HISTORY 2": f"00000002.history|{history}",
    }
    monkeypatch.setattr(Replica, "slot", "db2")
    monkeypatch.setattr(replica, "ask_primary", lambda command: answers[command].split("|"))
    return replica


def test_backup_is_asked_for_what_the_primary_says(
    primary: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
assert sys.argv[1:] == ["standby", "--json"]
open(sys.argv[0] + ".said", "w").write(sys.stdin.readline())
sys.stdin.readline()  # a sign of life
print(json.dumps({"ok": True, "backup": "20261130-093544F", "ended": 1796031351}))"""
    monkeypatch.setattr(from_backup, "COMMAND", program(tmp_path, script))
    monkeypatch.setattr(from_backup, "SIGN_OF_LIFE", 0.1)
    assert from_backup.fetch(primary) == ("the backup of 2026-11-30 09:35 UTC", "")
    assert json.loads((tmp_path / "database-backup.said").read_text()) == {
        "into": str(primary.staging),
        "system": "77",
        "timeline": 2,
        "history": "1\t0/60000A0\tbefore 2026-11-30 09:36:40+00",
        "position": "0/9000110",
        "kept": "0/8000028",
    }


def test_backup_that_does_not_help(
    primary: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'print(json.dumps({"ok": False, "error": "No backup leads there."})); sys.exit(1)'
    monkeypatch.setattr(from_backup, "COMMAND", program(tmp_path, script))
    assert from_backup.fetch(primary) == ("", "No backup leads there.")


def test_command_that_breaks_is_no_reason_to_have_no_replica(
    primary: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_backup, "COMMAND", program(tmp_path, "sys.exit('it broke')"))
    assert from_backup.fetch(primary)[0] == ""
    assert "it broke" in from_backup.fetch(primary)[1]


def test_nothing_is_asked_where_backups_are_off(
    primary: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_backup, "COMMAND", tmp_path / "nothing")
    assert from_backup.fetch(primary) == ("", "")
