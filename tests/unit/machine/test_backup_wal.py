"""Transactions in WAL, gaps in the archive, damage in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import verify, wal
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.wal import Commit

from .backups import CONFIG, Programs

# Of PostgreSQL 15: INSERT, DROP TABLE, a transaction with a savepoint, TRUNCATE, one that failed.
DUMP = """\
rmgr: Transaction len (rec/tot):    405/   405, tx:        725, lsn: 0/04047BA8, prev 0/04047B68, \
desc: COMMIT 2026-11-30 09:35:45.711243 UTC; inval msgs: catcache 80 catcache 79 relcache 16391
rmgr: Transaction len (rec/tot):    469/   469, tx:        726, lsn: 0/04048060, prev 0/04048028, \
desc: COMMIT 2026-11-30 09:35:46.765921 UTC; rels: base/5/16391; dropped stats: 2/5/16391; \
inval msgs: catcache 80 catcache 79 snapshot 2608
rmgr: Transaction len (rec/tot):     46/    46, tx:        727, lsn: 0/040483B0, prev 0/04048370, \
desc: COMMIT 2026-11-30 09:35:46.782322 UTC; subxacts: 728
rmgr: Transaction len (rec/tot):    206/   206, tx:        729, lsn: 0/040487A0, prev 0/04048710, \
desc: COMMIT 2026-11-30 09:35:46.802720 UTC; rels: base/5/16389 base/5/16385; inval msgs: catcache 5
rmgr: Transaction len (rec/tot):     34/    34, tx:        730, lsn: 0/04048950, prev 0/04048910, \
desc: ABORT 2026-11-30 09:35:46.820247 UTC
rmgr: Transaction len (rec/tot):     34/    34, tx: 4294967295, lsn: A/0E000298, prev A/0E0001D0, \
desc: COMMIT 2026-11-30 09:42:14 UTC
"""
COMMITS = [
    Commit(725, 0x4047BA8, 1796031345.711243, ()),
    Commit(726, 0x4048060, 1796031346.765921, ("base/5/16391",)),
    Commit(727, 0x40483B0, 1796031346.782322, ()),
    Commit(729, 0x40487A0, 1796031346.80272, ("base/5/16389", "base/5/16385")),
    Commit(4294967295, 0xA0E000298, 1796031734.0, ()),  # the time has no fraction
]


def test_commits_with_the_tables_that_they_removed() -> None:
    assert wal.parse(DUMP) == COMMITS


@pytest.mark.parametrize(
    "output",
    [
        "",
        "pg_waldump: error: error in WAL record at 0/4048990: invalid record length\n",
        "rmgr: Transaction len (rec/tot):     54/    54, tx:          0, lsn: 0/01A2, prev 0/019F, "
        "desc: INVALIDATION ; inval msgs: catcache 21",
    ],
)
def test_other_records_are_no_commits(output: str) -> None:
    assert wal.parse(output) == []


def test_segment_is_fetched_read_in_utc_and_removed(programs: Programs, tmp_path: Path) -> None:
    # pg_waldump fails at the end of a segment, as its last record goes on in the next one.
    programs.answers = {"/usr/lib/postgresql/15/bin/pg_waldump": (1, DUMP, "invalid record")}
    with wal.folder() as folder:
        fetched = folder / "000000010000000000000004"
        fetched.write_bytes(b"WAL")
        options = ("--pg1-path=/copy",)
        found = wal.commits(CONFIG, fetched.name, folder, *options, conf=Path("/etc/c"))
        assert found == COMMITS
        assert not fetched.exists()
    assert not folder.exists()
    assert programs.ran() == [
        "pgbackrest --config=/etc/c --stanza=shop --pg1-path=/copy archive-get "
        f"000000010000000000000004 {fetched}",
        f"env TZ=UTC /usr/lib/postgresql/15/bin/pg_waldump --rmgr=Transaction {fetched}",
    ]


def test_segment_that_is_not_there_has_no_commits(programs: Programs, tmp_path: Path) -> None:
    programs.answers = {"archive-get": (1, "", ""), "env": DUMP}
    assert wal.commits(CONFIG, "000000010000000000000004", tmp_path) == []


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (
            {"archive-get": (103, "", "WARN: repo1: a\nERROR: [103]: unable to connect to 'h'")},
            "The destination does not answer.",
        ),
        ({"env": (127, "", "env: pg_waldump: No such file\n")}, "env: pg_waldump: No such file"),
    ],
)
def test_segment_that_cannot_be_read_is_not_taken_for_an_empty_one(
    programs: Programs, tmp_path: Path, answers: dict[str, Any], why: str
) -> None:
    programs.answers = answers
    with pytest.raises(BackupError) as failed:
        wal.commits(CONFIG, "000000010000000000000004", tmp_path)
    assert str(failed.value) == f"WAL 000000010000000000000004 cannot be read: {why}"


@pytest.mark.parametrize(
    ("number", "upcoming", "full"),
    [
        (700, 701, 700),
        # PostgreSQL has begun to count anew in WAL: 32 bits were used up.
        (700, 2**32 + 701, 2**32 + 700),
        (2**32 - 1, 2**32 + 3, 2**32 - 1),
        (3, 3 * 2**32 + 4, 3 * 2**32 + 3),
        # One that is not there.
        (702, 701, 702),
    ],
)
def test_id_of_a_transaction_in_full(number: int, upcoming: int, full: int) -> None:
    assert wal.full_id(number, upcoming) == full


FIRST_FILE = [f"00000001000000000000{last:04X}" for last in range(0xFD, 0x100)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["000000010000000000000001"], []),
        (["000000010000000000000001", "000000010000000000000002"], []),
        (
            ["000000010000000000000004", "000000010000000000000001"],
            [("000000010000000000000001", "000000010000000000000004")],
        ),
        # A file of the log ends with FF: the next segment is in the next file.
        (["000000010000000100000000", *FIRST_FILE], []),
        (
            [*FIRST_FILE, "000000010000000100000001"],
            [("0000000100000000000000FF", "000000010000000100000001")],
        ),
        (
            [*FIRST_FILE, "000000010000000200000000"],
            [("0000000100000000000000FF", "000000010000000200000000")],
        ),
        (
            [f"0000000100000000000000{last}" for last in ("01", "03", "04", "0A")],
            [
                ("000000010000000000000001", "000000010000000000000003"),
                ("000000010000000000000004", "00000001000000000000000A"),
            ],
        ),
    ],
)
def test_gaps(names: list[str], expected: list[tuple[str, str]]) -> None:
    assert verify.gaps(names) == expected


def test_segments_are_whole_ones_of_the_archive(programs: Programs) -> None:
    programs.archive(s000000010000000000000001=100.5, s000000020000000100000000=200)
    programs.folders["archive/shop/15-1/0000000100000000"] |= {
        "000000010000000000000002.00000028.backup": 101,
        # Of the last moments of a history that was left.
        "000000010000000000000003.partial-4612cfb8ae3f394059e23190001bd0fe32472974.zst": 102,
        "000000010000000000000004": 103,
    }
    programs.folders["archive/shop/15-1"]["00000002.history"] = 150
    assert verify.segments(CONFIG, "15-1") == {
        "000000010000000000000001": 100.5,
        "000000010000000000000004": 103.0,
        "000000020000000100000000": 200.0,
    }
    # However many directories there are: each process connects to the destination anew.
    assert [call[2:] for call in programs.calls] == [
        ["--stanza=shop", "--output=json", "--recurse", "repo-ls", "archive/shop/15-1"]
    ]


def test_segments_since_one_ask_for_no_older_directory(programs: Programs) -> None:
    programs.archive(s000000010000000000000001=1, s0000000100000000000000FF=2)
    programs.archive(s000000010000000100000000=3, s000000010000000100000001=4)
    programs.archive(s00000001000000020000000A=5, s000000020000000200000000=6)
    assert verify.segments(CONFIG, "15-1", since="000000010000000100000001") == {
        "000000010000000100000000": 3.0,
        "000000010000000100000001": 4.0,
        "00000001000000020000000A": 5.0,
    }
    top = "archive/shop/15-1"
    assert [call[2:] for call in programs.calls] == [
        ["--stanza=shop", "--output=json", "repo-ls", top],
        ["--stanza=shop", "--output=json", "repo-ls", f"{top}/0000000100000001"],
        ["--stanza=shop", "--output=json", "repo-ls", f"{top}/0000000100000002"],
    ]


def test_gap_is_told_for_each_timeline_by_itself(programs: Programs) -> None:
    programs.archive(s000000010000000000000001=1, s000000010000000000000002=2)
    programs.archive(s000000020000000000000004=3, s000000020000000000000005=4)
    assert verify.missing(CONFIG, "15-1") == []
    programs.archive(s000000020000000000000008=5, s000000010000000000000004=5)
    assert verify.missing(CONFIG, "15-1") == [
        ("000000010000000000000002", "000000010000000000000004"),
        ("000000020000000000000005", "000000020000000000000008"),
    ]


# What `verify` of pgBackRest 2.45 wrote of files that were damaged on purpose; and with --verbose.
DAMAGED_WAL = """\
stanza: shop
status: error
  archiveId: 15-1, total WAL checked: 6, total valid WAL: 5
    checksum invalid: 1
"""
DAMAGED_BACKUP = """\
stanza: shop
status: error
  backup: 20261130-093544F, status: invalid, total files checked: 964, total valid files: 169
    missing: 795
  backup: 20261130-093544F_20261130-093549D, status: invalid, total files checked: 967, \
total valid files: 208
    missing: 759
"""
SOUND = """\
stanza: shop
status: ok
  archiveId: 15-1, total WAL checked: 6, total valid WAL: 6
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261130-093544F, status: valid, total files checked: 964, total valid files: 964
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""
EMPTIED = """\
stanza: shop
status: error
  No usable backup.info file
  No usable archive.info file
"""


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("", ""),
        (SOUND, ""),
        (
            DAMAGED_WAL,
            "archiveId: 15-1, total WAL checked: 6, total valid WAL: 5; checksum invalid: 1",
        ),
        (
            DAMAGED_BACKUP,
            "backup: 20261130-093544F, status: invalid, total files checked: 964, total valid "
            "files: 169; missing: 795; backup: 20261130-093544F_20261130-093549D, status: invalid, "
            "total files checked: 967, total valid files: 208",
        ),
        (EMPTIED, "pgBackRest does not say of which file"),
        (
            "WARN: file missing '000000010000000000000004'",
            "WARN: file missing '000000010000000000000004'",
        ),
    ],
)
def test_damage_in_what_verify_says(output: str, problem: str) -> None:
    assert verify.damage(output) == problem


def test_verify_fails_where_pgbackrest_does_not(programs: Programs) -> None:
    verify.verify(CONFIG)
    assert programs.calls[0][-2:] == ["--output=text", "verify"]
    programs.answers = {"verify": (0, DAMAGED_WAL, "")}
    with pytest.raises(BackupError) as failed:
        verify.verify(CONFIG)
    assert str(failed.value) == (
        "The repository is damaged (archiveId: 15-1, total WAL checked: 6, total valid WAL: 5; "
        "checksum invalid: 1)."
    )
    assert failed.value.detail == DAMAGED_WAL
    programs.answers = {"verify": (49, "", "ERROR: [049]: unable to connect to 'h'")}
    with pytest.raises(BackupError) as failed:
        verify.verify(CONFIG)
    assert str(failed.value) == (
        "The repository cannot be checked: The destination does not answer."
    )
