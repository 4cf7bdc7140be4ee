"""What is in the repository, as pgBackRest tells it: backups, archives and histories."""

from __future__ import annotations

import pytest

from espalier_machine.database_backup import repository
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.repository import Backup, Repository
from espalier_machine.database_backup.timelines import Timeline

from .backups import CONFIG, FIRST, SECOND, THIRD, Programs, info, made

HISTORY = "1\t0/80000A8\tbefore 2026-11-30 09:39:05.262981+00\n\n"
BACKUPS = (
    Backup(
        label="20261130-093544F",
        kind="full",
        began=1796031344,
        ended=1796031345,
        timeline=1,
        stop_lsn=0x3000050,
        stop_wal="000000010000000000000003",
        size=22992637,
        stored=2828384,
    ),
    Backup(
        label="20261130-093544F_20261130-093549D",
        kind="diff",
        began=1796031349,
        ended=1796031351,
        timeline=1,
        stop_lsn=0x6000050,
        stop_wal="000000010000000000000006",
        size=23074558,
        stored=2830864,  # with the full one that it builds on
    ),
    Backup(
        label="20261130-093913F",
        kind="full",
        began=1796031553,
        ended=1796031555,
        timeline=2,
        stop_lsn=0xA000050,
        stop_wal="00000002000000000000000A",
        size=22992637,
        stored=2828384,
    ),
)


def test_backups_are_those_that_pgbackrest_tells_of_oldest_first() -> None:
    assert repository.backups(info(THIRD, FIRST, SECOND)) == BACKUPS
    assert repository.backups(info()) == repository.backups({}) == ()


def test_newer_pgbackrest_tells_of_bundles_by_their_difference_alone() -> None:
    told = {"delta": 5, "repository": {"delta": 7}, "size": 9}
    (found,) = repository.backups(info({**FIRST, "info": told}))
    assert (found.size, found.stored) == (9, 7)


def test_position_beyond_4_gigabytes() -> None:
    far = made("20261130-093544F", 0, 1, "0000000A0000000A00000050", "A/50000138")
    (found,) = repository.backups(info(far))
    assert (found.stop_lsn, found.timeline) == (0xA50000138, 10)


@pytest.mark.parametrize(
    ("archives", "expected"),
    [
        ([], ("", "")),
        ([("15-1", 1, None)], ("15-1", "")),
        ([("15-1", 1, "000000010000000000000006")], ("15-1", "000000010000000000000006")),
        # PostgreSQL was upgraded, and nothing has come from the new one; the order is the names'.
        ([("15-9", 9, "000000030000000000000006"), ("17-10", 10, None)], ("17-10", "")),
    ],
)
def test_newest_archive_is_that_of_the_newest_database(
    archives: list[tuple[str, int, str | None]], expected: tuple[str, str]
) -> None:
    told = [
        {"database": {"id": number, "repo-key": 1}, "id": name, "max": newest, "min": newest}
        for name, number, newest in archives
    ]
    assert repository.newest_archive({"archive": told}) == expected


def test_repository_without_a_restore_has_one_timeline(programs: Programs) -> None:
    programs.answers = {"info": info(FIRST, SECOND)}
    found = repository.parse(CONFIG, info(FIRST, SECOND))
    assert found == Repository(BACKUPS[:2], "15-1", {})
    assert (found.first_timeline, found.newest_timeline, found.timeline_at(9e9)) == (1, 1, 1)
    assert programs.ran("repo-ls") == []


def test_timeline_of_which_no_wal_has_come_yet_is_known(programs: Programs) -> None:
    """Its history comes first; what looks every minute does not ask for it."""
    programs.answers = {"info": info(FIRST, SECOND)}
    programs.answers["archive/shop/15-1/00000002.history"] = "1\t0/80000A0\tbefore\n"
    programs.folders["archive/shop/15-1"] = {"00000002.history": 1796031549}
    found = repository.read(CONFIG)
    assert (found.newest_timeline, found.timelines[2].parents) == (2, ((1, 0x80000A0),))
    assert repository.parse(CONFIG, info(FIRST, SECOND)).newest_timeline == 1


def test_restore_has_a_history_that_begins_when_its_file_came(programs: Programs) -> None:
    programs.answers = {
        "info": info(FIRST, SECOND, THIRD),
        "archive/shop/15-1/00000002.history": HISTORY,
    }
    programs.folders["archive/shop/15-1"] = {
        "0000000100000000": 0,
        "00000002.history": 1796031549,
        "0000000200000000": 0,
    }
    found = repository.read(CONFIG)
    assert found.timelines == {2: Timeline(2, 1796031549, ((1, 0x80000A8),))}
    assert found.newest_timeline == 2
    assert [found.timeline_at(moment) for moment in (1796031548, 1796031549)] == [1, 2]


def test_cluster_that_was_restored_before_it_came_here_begins_with_its_own_timeline() -> None:
    found = Repository(BACKUPS[2:], "15-1", {})
    assert (found.first_timeline, found.newest_timeline, found.timeline_at(0)) == (2, 2, 2)
    assert Repository((), "", {}).newest_timeline == 1


def test_history_that_cannot_be_read_is_no_history_of_one_timeline(programs: Programs) -> None:
    programs.answers = {"info": info(FIRST, SECOND, THIRD)}
    programs.answers["repo-ls"] = (49, "", "ERROR: [049]: unable to connect to 'h'")
    with pytest.raises(BackupError, match="does not answer"):
        repository.read(CONFIG)
