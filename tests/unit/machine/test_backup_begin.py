"""A run of the site prepares the destination, and begins a backup where one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier_machine.database_backup import backup
from espalier_machine.database_backup.errors import BackupError

from .backups import (
    CONFIG,
    FIRST,
    SECOND,
    STARTED,
    Programs,
    Systemd,
    here,
    info,
    made,
    missing,
    words,
)


@pytest.mark.parametrize(
    ("state", "running"),
    [("active", True), ("activating", True), ("inactive", False), ("failed", False)],
)
def test_backup_is_being_made_while_its_unit_begins(
    systemd: Systemd, state: str, running: bool
) -> None:
    systemd.state = state
    assert backup.is_running() is running


def test_new_destination_is_prepared_and_the_first_backup_begins(
    programs: Programs, systemd: Systemd
) -> None:
    answers = [missing(1, "missing stanza path"), info()]
    programs.answers = {"info": answers}
    done = backup.begin(CONFIG)
    assert done == {"changed": True, "did": "prepared the destination, began the first backup"}
    assert (words(programs), systemd.calls) == (["stanza-create", "check"], STARTED)


def test_destination_that_has_backups_is_checked(programs: Programs, systemd: Systemd) -> None:
    programs.answers = {"info": info(FIRST)}
    assert backup.begin(CONFIG) == {"changed": False, "did": "nothing"}
    assert (words(programs), systemd.calls) == (["stanza-create", "check"], [])


def test_backup_begins_where_another_destination_had_its_turn(
    programs: Programs, systemd: Systemd
) -> None:
    programs.answers = {"info": info(FIRST, SECOND)}
    programs.archive(s000000010000000000000006=1, s000000010000000000000007=2)
    assert not backup.begin(CONFIG)["changed"]
    programs.archive(s00000001000000000000000A=3)
    assert backup.begin(CONFIG)["did"] == "began a backup, as WAL is missing since the last one"
    assert systemd.calls == STARTED


def test_gap_is_looked_for_from_the_newest_backup_on(programs: Programs) -> None:
    newest = made("20261130-093544F", 5, 6, "00000001000002000000000A", "200/A000050")
    programs.answers = {"info": info(newest)}
    for number in range(0x1F0, 0x201):
        programs.archive(**{f"s00000001{number:08X}0000000A": 5})
    assert not backup.has_gap(CONFIG, backup.repository.read(CONFIG))
    # One of them looks for timelines that have begun.
    assert len(programs.ran("repo-ls")) == 3


def test_first_backup_that_is_being_made_begins_once(programs: Programs, systemd: Systemd) -> None:
    systemd.state = "activating"
    programs.answers = {"info": info()}
    assert backup.begin(CONFIG)["did"] == "nothing"
    assert systemd.calls == []


def test_destination_is_told_of_another_version(programs: Programs, systemd: Systemd) -> None:
    programs.answers = {"info": info(FIRST)}
    done = backup.begin(here(Path("/"), version="17"))
    assert done == {"changed": True, "did": "told it of PostgreSQL 17"}
    # With another version, stanza-create fails: the info files do not match the database.
    assert words(programs) == ["stanza-upgrade", "check"]


def test_older_version_than_the_destination_has_is_told_nothing(programs: Programs) -> None:
    # A machine that was replaced came back.
    programs.answers = {"info": info(FIRST)}
    with pytest.raises(BackupError) as refused:
        backup.begin(here(Path("/"), version="9"))
    assert str(refused.value) == (
        "The destination has the backups of a PostgreSQL 15, and this one is 9: it was upgraded on "
        "another machine, or is another database. If this machine is the right one, give its "
        "backups another `path` in hosts.yml."
    )
    assert words(programs) == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("stanza-create", "The destination cannot be prepared: The destination is full."),
        ("check", "WAL does not come to the destination: The destination is full."),
    ],
)
def test_destination_that_refuses(
    programs: Programs, systemd: Systemd, command: str, sentence: str
) -> None:
    programs.answers = {"info": info(), command: (101, "", "ERROR: [101]: [507] No")}
    with pytest.raises(BackupError) as failed:
        backup.begin(CONFIG)
    assert (str(failed.value), systemd.calls) == (sentence, [])


def test_run_of_the_site_removes_what_a_restore_that_was_killed_has_left(
    tmp_path: Path, programs: Programs, systemd: Systemd
) -> None:
    programs.answers = {"info": info(FIRST)}
    (tmp_path / "main.restoring").mkdir()
    assert backup.begin(here(tmp_path)) == {
        "changed": True,
        "did": "removed the half of a backup that a restore which was cut off has left",
    }
    assert not (tmp_path / "main.restoring").exists()
