"""Which moment is meant: a time, a transaction, or what came just before a statement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import restore, target, wal
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.repository import Repository
from espalier_machine.database_backup.target import Target, find_statement
from espalier_machine.database_backup.timelines import Timeline
from espalier_machine.database_backup.wal import Commit

from .backups import CONFIG, Programs, backup, info

# At 09:00:00 UTC.
DAY = 1796029200
EARLY = backup("full", DAY + 1000, stop_lsn=100, label="early")
LATE = backup("diff", DAY + 2000, stop_lsn=200, label="late")
# Between a mishap at 3000 and its restore at 3600, which brought back the moment 2900.
ABANDONED = backup("diff", DAY + 3300, stop_lsn=330, label="abandoned")
AFTER = backup("diff", DAY + 4000, stop_lsn=310, label="after", timeline=2)
RESTORED = {2: Timeline(2, DAY + 3600, ((1, 290),))}
BEFORE = Repository((EARLY, LATE), "15-1", {})
REPOSITORY = Repository((EARLY, LATE, ABANDONED, AFTER), "15-1", RESTORED)
NOW = DAY + 9000.0


def test_time_is_written_as_postgresql_reads_it() -> None:
    assert target.utc(DAY) == "2026-11-30 09:00:00.000000+00"
    assert target.utc(DAY + 61.25) == "2026-11-30 09:01:01.250000+00"


def test_time_begins_with_the_newest_backup_before_it() -> None:
    assert target.at_time(BEFORE, DAY + 2500.5, NOW) == Target(
        kind="time",
        value="2026-11-30 09:41:40.500000+00",
        inclusive=True,
        timeline=1,
        is_current=True,
        backup="late",
        time=DAY + 2500.5,
        what="as it was at 2026-11-30 09:41:40.500000+00",
    )


@pytest.mark.parametrize(
    ("moment", "timeline", "backup", "followed"),
    [
        # What the site had after the mishap: of the history that the restore has left.
        (3500, 1, "abandoned", "current"),
        # After the restore, and before its first backup: from the history before, into the new one.
        (3700, 2, "late", "2"),
        (4000, 2, "after", "current"),
    ],
)
def test_time_around_a_restore(moment: float, timeline: int, backup: str, followed: str) -> None:
    found = target.at_time(REPOSITORY, DAY + moment, NOW)
    assert (found.timeline, found.backup, found.recovery_timeline) == (timeline, backup, followed)


def test_now_is_no_future() -> None:
    assert target.at_time(BEFORE, NOW, NOW).backup == "late"
    with pytest.raises(BackupError) as refused:
        target.at_time(BEFORE, NOW + 1, NOW)
    assert str(refused.value) == (
        "2026-11-30 11:30:01.000000+00 is in the future: it is 2026-11-30 11:30:00.000000+00."
    )


def test_time_before_the_oldest_backup() -> None:
    with pytest.raises(BackupError) as refused:
        target.at_time(BEFORE, DAY + 999, NOW)
    assert str(refused.value) == (
        "No backup leads to 2026-11-30 09:16:39.000000+00: the oldest moment that can be restored "
        "is 2026-11-30 09:16:40.000000+00."
    )


def test_no_backup_at_all() -> None:
    with pytest.raises(BackupError) as refused:
        target.latest(Repository((), "15-1", {}), NOW)
    assert str(refused.value) == "The destination has no backup yet."


def test_latest_is_the_newest_history_but_for_a_given_one() -> None:
    assert target.latest(REPOSITORY, NOW) == Target(
        kind="default",
        value="",
        inclusive=True,
        timeline=2,
        is_current=True,
        backup="after",
        time=NOW,
        what="all that the destination has",
    )
    # The database of this machine, of which the destination has a newer history.
    assert target.latest(REPOSITORY, NOW, 1).backup == "abandoned"


def test_target_comes_back_from_json() -> None:
    found = target.latest(REPOSITORY, NOW)
    assert Target(**found.as_json()) == found


def reading(commits: dict[str, list[Commit]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have segments hold these commits; gives the names of those that are read."""
    read: list[str] = []

    def found(config: Any, name: str, folder: Path, *options: str) -> list[Commit]:
        read.append(name)
        return commits.get(name, [])

    monkeypatch.setattr(wal, "commits", found)
    return read


def test_transaction_is_looked_for_from_the_newest_segment_on(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.answers = {"info": info()}
    programs.archive(
        s000000010000000000000002=DAY + 2100,
        s000000010000000000000003=DAY + 3400,
        s000000020000000000000003=DAY + 3650,
        s000000020000000000000004=DAY + 3700,
    )
    # The restore has given its number a second time.
    commits = {
        "000000010000000000000002": [Commit(770, 0, DAY + 2050.25, ())],
        "000000010000000000000003": [Commit(771, 0, DAY + 3350, ())],
        "000000020000000000000003": [
            Commit(770, 0, DAY + 2050.25, ()),
            Commit(771, 0, DAY + 3640, ()),
        ],
    }
    read = reading(commits, monkeypatch)
    assert target.at_transaction(CONFIG, REPOSITORY, 771) == Target(
        kind="xid",
        value="771",
        inclusive=True,
        timeline=2,
        is_current=False,
        backup="late",
        time=DAY + 3640,
        what="just after transaction 771, which ended at 2026-11-30 10:00:40.000000+00",
    )
    assert read == ["000000020000000000000004", "000000020000000000000003"]
    with pytest.raises(BackupError) as refused:
        target.at_transaction(CONFIG, REPOSITORY, 772)
    assert str(refused.value) == (
        "The archive has no transaction 772 that was committed and changed something."
    )


# Of PostgreSQL 15, with Debian's log_line_prefix.
LOG = """\
2026-11-30 09:35:43.178 UTC [15576] postgres@shop STATEMENT:  drop table kept
2026-11-30 09:35:45.710 UTC [15627] shop@shop LOG:  statement: create table orders(id int); select 1
2026-11-30 09:35:46.764 UTC [15662] shop_first@shop LOG:  statement: DROP TABLE orders
2026-11-30 09:35:47.000 UTC [15663] shop@shop LOG:  execute <unnamed>: drop table "baskets"
2026-11-30 09:35:48.000 UTC [15664] shop@shop LOG:  execute _pg3_0: ALTER TABLE shop ADD c int
2026-11-30 09:42:14.294 UTC [5435] shop@shop LOG:  duration: 801.780 ms  statement: delete from keep
2026-11-30 09:42:14.636 UTC [5587] shop@shop LOG:  duration: 306.580 ms
2026-11-30 09:42:15.000 UTC [24370] LOG:  archive command failed with exit code 1
""".splitlines()
AT = 1796031343 - 43  # 09:35:00


@pytest.mark.parametrize(
    ("text", "moment", "statement"),
    [
        ("orders", AT + 46.764, "DROP TABLE orders"),
        ("create table", AT + 45.71, "create table orders(id int); select 1"),
        # The newest one; upper and lower case are the same.
        ("Drop Table", AT + 47, 'drop table "baskets"'),
        ("alter", AT + 48, "ALTER TABLE shop ADD c int"),
        # It is logged when it has ended, and what it changed is committed then: it began before.
        ("delete from", AT + 7 * 60 + 14.294 - 0.80178, "delete from keep"),
    ],
)
def test_statement_of_the_log(text: str, moment: float, statement: str) -> None:
    found, what = find_statement(LOG, text)
    assert (found, what) == (pytest.approx(moment, abs=1e-6), statement)


@pytest.mark.parametrize(
    ("text", "statement", "is_found"),
    [
        # As Django writes it.
        ("DROP TABLE shop_order", 'DROP TABLE "shop_order" CASCADE', True),
        ('drop table "shop_order" cascade;', 'DROP TABLE "shop_order" CASCADE', True),
        ("DROP TABLE  shop_order", "drop  table shop_order;", True),
        ("DROP TABLE shop_order", 'DROP TABLE IF EXISTS "public"."shop_order"', True),
        ("DROP TABLE public.shop_order", 'DROP TABLE "shop_order"', True),
        ("DROP TABLE shop_order", "DROP TABLE depot.shop_order", True),
        ("DROP TABLE depot.shop_order", "DROP TABLE shop_order", False),
        ("DROP TABLE Old Trees", 'DROP TABLE "Old Trees"', True),
        # Another table.
        ("DROP TABLE shop_order", 'DROP TABLE "shop_order_item"', False),
        ("TABLE order", 'DROP TABLE "shop_order"', False),
        # It is no regular expression.
        ("DROP TABLE shop.order", "DROP TABLE shop_order", False),
        ("delete from a where b = (1)", "DELETE FROM a WHERE b = (1)", True),
    ],
)
def test_statement_as_a_person_writes_it(text: str, statement: str, is_found: bool) -> None:
    lines = [f"2026-11-30 09:35:46.764 UTC [1] a@b LOG:  statement: {statement}"]
    if is_found:
        assert find_statement(lines, text)[0] == pytest.approx(AT + 46.764)
    else:
        with pytest.raises(BackupError, match="has no statement"):
            find_statement(lines, text)


def test_statement_of_several_lines_is_one() -> None:
    lines = [
        "2026-11-30 09:35:46.764 UTC [1] a@b LOG:  statement: BEGIN;",
        "\tDROP TABLE",
        '\t  "shop_order"',
        "\tCASCADE",
        "2026-11-30 09:35:50.000 UTC [1] a@b LOG:  disconnection: session time: 0:00:00.1",
    ]
    found = find_statement(lines, "drop table shop_order cascade")
    assert found == (pytest.approx(AT + 46.764), 'BEGIN; DROP TABLE "shop_order" CASCADE')


@pytest.mark.parametrize("text", ["kept", "archive command", "duration", "DROP DATABASE"])
def test_statement_that_is_not_in_the_log(text: str) -> None:
    with pytest.raises(BackupError) as refused:
        find_statement(LOG, text)
    assert str(refused.value) == (
        f"PostgreSQL's log on this machine has no statement with `{text}`. It has those that "
        "change tables (CREATE, ALTER, DROP, TRUNCATE) since backups are on, and those that took "
        "long. Give the time instead: --to."
    )


def test_line_of_another_zone_is_of_before_the_backups() -> None:
    with pytest.raises(BackupError, match="has no statement"):
        find_statement(["2026-11-30 10:00:00.000 CET [1] a@b LOG:  statement: drop table c"], "c")


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the log, of which the older half was set aside; and one of another cluster."""
    monkeypatch.setattr(target, "LOGS", tmp_path)
    (tmp_path / "postgresql-15-main.log.1").write_text("\n".join(LOG[:3]))
    (tmp_path / "postgresql-15-main.log").write_text("\n".join(LOG[3:]))
    (tmp_path / "postgresql-15-main.log.2.gz").write_bytes(b"\x1f\x8b")
    other = "2026-11-30 10:00:00.000 UTC [1] shop@shop LOG:  statement: DROP TABLE orders"
    (tmp_path / "postgresql-17-main.log").write_text(other)


DROPPED = Commit(726, 0, AT + 46.765921, ("base/5/16391",))
SEEN = Repository((backup("full", AT, label="seen"),), "15-1", {})


@pytest.mark.usefixtures("logged")
def test_just_before_a_statement_is_before_the_transaction_that_removed_a_table(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.answers = {"info": info()}
    programs.archive(
        # Of the destination's clock, which may be a minute behind.
        s000000010000000000000002=AT + 46 - 62,
        s000000010000000000000003=AT + 46 - 60,
        s000000010000000000000004=AT + 50,
        s000000010000000000000005=AT + 60,
        s000000010000000000000006=AT + 70,
    )
    commits = {
        # One that was committed before, one meanwhile by somebody else, and the statement's.
        "000000010000000000000004": [
            Commit(724, 0, AT + 45.7, ("base/5/1",)),
            Commit(725, 0, AT + 46.764, ()),
        ],
        "000000010000000000000005": [DROPPED, Commit(727, 0, AT + 51, ("base/5/2",))],
    }
    read = reading(commits, monkeypatch)
    assert target.before_statement(CONFIG, SEEN, "drop table orders") == Target(
        kind="xid",
        value="726",
        inclusive=False,
        timeline=1,
        is_current=True,
        backup="seen",
        time=AT + 46.765921,
        what="just before `DROP TABLE orders` (transaction 726, 2026-11-30 09:35:46.765921+00)",
    )
    # Neither what came before it, nor what came after it was found.
    assert read == [f"00000001000000000000000{number}" for number in "345"]


@pytest.mark.usefixtures("logged")
def test_just_before_a_statement_that_removed_none(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.answers = {"info": info()}
    programs.archive(s000000010000000000000009=AT + 500)
    # As they came: the DELETE was committed 5 ms before its line was written, then another one.
    end = AT + 7 * 60 + 14.294
    commits = [
        Commit(747, 0, end - 2, ()),
        Commit(748, 0, end - 0.005, ()),
        Commit(749, 0, end + 0.03, ()),
    ]
    reading({"000000010000000000000009": commits}, monkeypatch)
    assert target.before_statement(CONFIG, SEEN, "delete from keep").value == "748"


@pytest.mark.usefixtures("logged")
def test_statement_that_was_rolled_back(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.answers = {"info": info()}
    programs.archive(s000000010000000000000004=AT + 50)
    reading({"000000010000000000000004": [Commit(724, 0, AT + 45.7, ())]}, monkeypatch)
    with pytest.raises(BackupError) as refused:
        target.before_statement(CONFIG, SEEN, "DROP TABLE orders")
    assert str(refused.value) == (
        "The statement `DROP TABLE orders` began at 2026-11-30 09:35:46.764000+00, and WAL at the "
        "destination has no transaction from then on. Was it rolled back? Does WAL wait "
        "(`espalier backups`)?"
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"to": DAY + 2500.0}, ("at_time", BEFORE, DAY + 2500.0, NOW)),
        ({"transaction": 770}, ("at_transaction", CONFIG, BEFORE, 770)),
        # No transaction has this number; it is not taken for nothing.
        ({"transaction": 0}, ("at_transaction", CONFIG, BEFORE, 0)),
        ({"before": "DROP TABLE"}, ("before_statement", CONFIG, BEFORE, "DROP TABLE")),
        ({"latest": True}, ("latest", BEFORE, NOW)),
    ],
)
def test_moment_that_a_person_means(
    monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    for name in ("at_time", "at_transaction", "before_statement", "latest"):
        monkeypatch.setattr(target, name, lambda *given, name=name: (name, *given))
    monkeypatch.setattr(restore.time, "time", lambda: NOW)
    assert restore.choose(CONFIG, BEFORE, wanted) == expected
