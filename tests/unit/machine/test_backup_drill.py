"""The nightly proof: what it restores, what it looks at, what it says where it cannot."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import (
    drill,
    recovery,
    repository,
    sql,
    target,
    throwaway,
    wal,
)
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.timelines import start
from espalier_machine.database_backup.wal import Commit

from .backups import CONFIG, FIRST, SECOND, THIRD, Programs, here, info

GIGABYTE = 10**9
HISTORY = "1\t0/80000A8\tbefore 2026-11-30 09:39:05.262981+00\n\n"


def test_a_copy_needs_room_for_wal_and_leaves_some() -> None:
    needed = 13 * GIGABYTE + 2**30
    assert throwaway.too_small(10 * GIGABYTE, needed) == ""
    assert throwaway.too_small(10 * GIGABYTE, needed - 1) == (
        "a copy of the database needs 14.1 GB of disk, and 14.1 GB are free"
    )
    # A dump of it needs room beside it.
    assert throwaway.too_small(10 * GIGABYTE, 23 * GIGABYTE + 2**30, 2.3) == ""
    assert throwaway.too_small(10 * GIGABYTE, 23 * GIGABYTE, 2.3) != ""


class Played:
    """A drill of which all but the cluster is real."""

    def __init__(
        self, folder: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, **commits: int
    ) -> None:
        """Take the newest transaction of each segment, named `s` and its number."""
        self.folder, self.programs = folder, programs
        self.fetched: list[Any] = []
        self.settings: dict[str, str] = {}
        self.commits = {
            name: [
                Commit(1, start(name) + 20, 0.0, ()),
                Commit(number, start(name) + 40, 1796031600.0, ()),
            ]
            for name, number in ((one[1:], commits[one]) for one in commits)
        }
        programs.archive(**dict.fromkeys(commits, 1796031600.0))
        programs.answers |= {"SELECT pg_xact_status": "committed\n"}
        programs.answers |= {"SELECT pg_snapshot_xmax": "4294968300\n"}
        programs.answers |= {"SELECT timeline_id": "1\n", "\nSELECT n.nspname": ""}
        monkeypatch.setattr(throwaway, "directory", self.directory)
        monkeypatch.setattr(throwaway, "running", self.running)
        monkeypatch.setattr(throwaway, "configure", lambda c, d, more: self.settings.update(more))
        monkeypatch.setattr(recovery, "fetch", lambda *given, **more: self.fetched.append(given))
        monkeypatch.setattr(wal, "commits", self.read)

    @contextmanager
    def directory(self, *, wait: bool) -> Iterator[Path]:
        """Have a directory, and none at the end."""
        assert wait
        data = self.folder / "data"
        data.mkdir()
        yield data
        shutil.rmtree(data)

    @contextmanager
    def running(self, config: Any, data: Path) -> Iterator[Path]:
        """Have it run."""
        yield self.folder / "log"

    def read(self, config: Any, name: str, *given: Any, **more: Any) -> list[Commit]:
        """Return the commits of a segment."""
        return self.commits.get(name, [])

    @property
    def saved(self) -> dict[str, Any]:
        """What is remembered of it."""
        found: dict[str, Any] = json.loads((self.folder / "drill.json").read_text())
        return found


def test_the_newest_transaction_comes_back(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wals = {"s000000010000000000000006": 750, "s000000010000000000000007": 760}
    played = Played(tmp_path, programs, monkeypatch, **wals)
    programs.answers |= {
        "info": info(FIRST, SECOND, newest="000000010000000000000007"),
        "\nSELECT n.nspname": 'public\x1forders\x1f7\nstock\x1fa "b"\x1f-1\n',
        'SELECT count(*) FROM ONLY "public"."orders"': "7\n",
        'SELECT count(*) FROM ONLY "stock"."a ""b"""': "5\n",
    }
    report = drill.drill(CONFIG)
    assert {key: report[key] for key in ("ok", "skipped", "backup", "transaction", "bytes")} == {
        "ok": True,
        "skipped": "",
        "backup": "20261130-093544F_20261130-093549D",
        "transaction": 760,
        "bytes": 23074558,
    }
    assert [report[key] for key in ("tables", "rows", "compared", "live_rows")] == [2, 12, 2, 12]
    assert report["counted"] >= report["began"]
    assert report["newest_commit"] == 1796031600.0
    assert played.settings == {
        "recovery_target_timeline": "'current'",
        "recovery_target_xid": "'760'",
        "recovery_target_action": "promote",
    }
    assert played.saved == report
    (told,) = json.loads((tmp_path / "drills.json").read_text())["drills"]
    assert told.keys() == {"began", "ok", "rto_seconds", "age_seconds", "bytes", "rows", "seconds"}
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("left", [3, 100])
def test_transaction_of_a_history_that_was_left_is_not_waited_for(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    # A moment was restored; the history before it has segments that the new one has not come to.
    wals = {f"s0000000100000000000000{last:02X}": 700 for last in range(6, 8 + left)}
    wals |= {"s000000020000000000000008": 701}
    played = Played(tmp_path, programs, monkeypatch, **wals)
    programs.answers |= {
        "info": info(FIRST, SECOND, newest="000000020000000000000008"),
        "SELECT timeline_id": "2\n",
        "archive/shop/15-1/00000002.history": HISTORY,
    }
    programs.folders["archive/shop/15-1"]["00000002.history"] = 1796031549
    assert drill.drill(CONFIG)["transaction"] == 701
    assert played.settings["recovery_target_timeline"] == "'2'"
    # Where the new one has changed nothing yet, the last one before it was left is the newest.
    at = [Commit(698, 0x80000A7, 1.0, ()), Commit(699, 0x80000A8, 2.0, ())]
    played.commits = {"000000010000000000000008": at}
    assert drill.drill(CONFIG)["transaction"] == 698


def test_copy_ends_where_a_timeline_began_of_which_no_wal_has_come(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wals = {"s000000010000000000000007": 690, "s000000010000000000000008": 750}
    played = Played(tmp_path, programs, monkeypatch, **wals)
    programs.answers |= {
        "info": info(FIRST, SECOND, newest="000000010000000000000008"),
        "SELECT timeline_id": "2\n",
        "archive/shop/15-1/00000002.history": HISTORY,
    }
    programs.folders["archive/shop/15-1"]["00000002.history"] = 1796031549
    # What came after the restored moment is in the archive, and is no part of the site.
    played.commits = {"000000010000000000000008": [Commit(750, 0x80000A9, 2.0, ())]}
    played.commits["000000010000000000000007"] = []
    assert drill.drill(CONFIG)["transaction"] == 0
    assert played.settings == {
        "recovery_target_timeline": "'current'",
        "recovery_target_lsn": "'0/80000A8'",
        "recovery_target_inclusive": "off",
        "recovery_target_action": "promote",
    }


def test_transaction_that_the_backup_has_already_is_not_waited_for(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path, programs, monkeypatch, s000000010000000000000005=5)
    programs.answers |= {"info": info(FIRST, SECOND)}
    stop = repository.backups(info(FIRST, SECOND))[-1].stop_lsn
    for position, waits in ((stop, False), (stop + 1, True)):
        played.commits = {"000000010000000000000005": [Commit(700, position, 1.0, ())]}
        assert drill.drill(CONFIG)["transaction"] == 700
        assert ("recovery_target_xid" in played.settings) is waits
    asked = [call for call in programs.calls if "pg_xact_status('4294967996'::xid8)" in call[-1]]
    assert len(asked) == 2


def test_without_a_transaction_the_copy_alone_is_proven(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path, programs, monkeypatch)
    programs.answers |= {"info": info(FIRST)}
    report = drill.drill(CONFIG)
    assert (report["transaction"], report["newest_commit"], report["age_seconds"]) == (0, 0, 0)
    assert played.settings == {"recovery_target_timeline": "'current'"}


def test_transaction_is_looked_for_in_the_newest_segments_alone(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wals = {f"s0000000100000000000000{last:02X}": 0 for last in range(0x10, 0x51)}
    played = Played(tmp_path, programs, monkeypatch, **wals)
    programs.answers |= {"info": info(FIRST)}
    played.commits = {"000000010000000000000010": [Commit(5, 0, 1.0, ())]}
    assert drill.drill(CONFIG)["transaction"] == 0  # it is the 65th
    played.commits = {"000000010000000000000011": [Commit(5, 0, 1.0, ())]}
    assert drill.drill(CONFIG)["transaction"] == 5


def test_keeper_of_the_copies_restores_with_a_configuration_of_its_own(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path, programs, monkeypatch, s000000010000000000000006=5)
    programs.answers |= {"info": info(FIRST, SECOND), "\nSELECT n.nspname": "a\x1fb\x1f7\n"}
    programs.answers |= {"SELECT count(*)": "7\n"}
    report = drill.drill(here(tmp_path, part="repository"))
    assert played.fetched[0][4] == Path("/etc/pgbackrest/alone.conf")
    # It has no database of the site, and the primary has written nothing down yet.
    assert [report[key] for key in ("rows", "compared", "live_rows", "counted")] == [7, 0, 0, 0]


@pytest.mark.parametrize(
    ("written", "hours", "sentence"),
    [
        (7, 0.2, ""),
        (1007, 0.2, ""),
        (1008, 0.2, "The copy is not what the site has: a.b has 7 rows, and 1008 live"),
        # What was counted long ago says nothing.
        (1008, 3.1, ""),
    ],
)
def test_keeper_compares_with_what_the_primary_wrote_down(
    tmp_path: Path,
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
    written: int,
    hours: float,
    sentence: str,
) -> None:
    Played(tmp_path, programs, monkeypatch, s000000010000000000000006=5)
    at = time.time() - hours * 3600
    programs.answers |= {"info": info(FIRST, SECOND), "\nSELECT n.nspname": "a\x1fb\x1f7\n"}
    programs.answers |= {"SELECT count(*)": "7\n", "SELECT to_regclass": "t\n"}
    programs.answers |= {"SELECT of_table": f"a.b\x1f{written}\x1f{at}\n"}
    keeper = here(tmp_path, part="repository")
    if sentence:
        with pytest.raises(BackupError) as failed:
            drill.drill(keeper)
        assert str(failed.value) == sentence
        return
    report = drill.drill(keeper)
    is_fresh = hours < 3
    assert (report["compared"], report["live_rows"]) == ((1, written) if is_fresh else (0, 0))
    assert report["counted"] == (at if is_fresh else 0)
    # All of it is asked of the copy.
    assert all(f"-h {throwaway.FOLDER} " in call for call in programs.ran("psql"))


def test_transaction_that_came_while_the_copy_was_fetched_is_not_of_this_drill(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path, programs, monkeypatch, s000000010000000000000006=5)
    programs.answers |= {"info": info(FIRST, SECOND)}

    def fetch(*given: Any, **more: Any) -> None:
        programs.archive(s000000010000000000000007=1796031700.0)
        played.commits["000000010000000000000007"] = [Commit(6, start("1" * 24), 1.0, ())]

    monkeypatch.setattr(recovery, "fetch", fetch)
    assert drill.drill(CONFIG)["transaction"] == 5


def test_no_room_is_no_failure_and_no_proof(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path, programs, monkeypatch)
    programs.answers |= {"info": info(FIRST)}
    usage = shutil.disk_usage(tmp_path)._replace(free=GIGABYTE)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert drill.drill(CONFIG)["ok"] is False
    assert played.saved["skipped"] == (
        "a copy of the database needs 1.1 GB of disk, and 1.0 GB are free: a machine with the duty "
        "`backup`, or a larger disk, makes the proof possible"
    )
    assert played.fetched == []


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (
            {"SELECT pg_xact_status": "aborted\n"},
            "Transaction 5 is not in the copy: it is aborted.",
        ),
        (
            {"/usr/lib/postgresql/15/bin/pg_amcheck": (2, "btree index broken\nmore\n", "")},
            "pg_amcheck finds damage in the copy: btree index broken",
        ),
        (
            {"/usr/lib/postgresql/15/bin/pg_amcheck": (1, "", "pg_amcheck: error: no\n")},
            "pg_amcheck finds damage in the copy: pg_amcheck: error: no",
        ),
        (
            {
                "\nSELECT n.nspname": [f"a\x1f{one}\x1f0\n" for one in "cb"],
                "SELECT count(*)": "7\n",
            },
            "The copy is not what the site has: a.c is not there",
        ),
        (
            {"info": (49, "", "ERROR: [049]: unable to connect to 'h'")},
            "The backups cannot be read: The destination does not answer.",
        ),
    ],
)
def test_copy_that_is_not_what_it_should_be(
    tmp_path: Path,
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Any],
    sentence: str,
) -> None:
    played = Played(tmp_path, programs, monkeypatch, s000000010000000000000006=5)
    programs.answers |= {"info": info(FIRST, SECOND), **answers}
    with pytest.raises(BackupError) as failed:
        drill.drill(CONFIG)
    assert str(failed.value) == sentence
    assert (played.saved["ok"], played.saved["error"]) == (False, sentence)
    (told,) = json.loads((tmp_path / "drills.json").read_text())["drills"]
    assert told["ok"] is False


def test_gap_in_wal_is_told_though_the_newest_backup_comes_back(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wals = {f"s00000001000000000000000{last}": 5 for last in "1368"}
    played = Played(tmp_path, programs, monkeypatch, **wals)
    programs.answers |= {"info": info(FIRST, SECOND)}
    drill.drill(CONFIG)
    assert played.saved["ok"]
    assert played.saved["gaps"] == [
        ["000000010000000000000001", "000000010000000000000003"],
        ["000000010000000000000003", "000000010000000000000006"],
        ["000000010000000000000006", "000000010000000000000008"],
    ]
    assert played.saved["backup"] == "20261130-093544F_20261130-093549D"


def test_ninety_drills_are_remembered(tmp_path: Path, programs: Programs) -> None:
    before = {"drills": [{"began": number} for number in range(90)]}
    (tmp_path / "drills.json").write_text(json.dumps(before))
    drill._remember({"began": 90, "ok": True, "error": "of no interest"})
    found = json.loads((tmp_path / "drills.json").read_text())["drills"]
    assert (len(found), found[0], found[-1]) == (90, {"began": 1}, {"began": 90, "ok": True})


def test_database_that_does_not_answer(programs: Programs) -> None:
    programs.answers = {"psql": (2, "", "psql: error: connection refused\n")}
    with pytest.raises(BackupError) as failed:
        sql.one("SELECT 1")
    assert str(failed.value) == (
        "PostgreSQL does not answer as it should: psql: error: connection refused"
    )
    programs.answers = {"SELECT 1": "", "SELECT 2": "\x1fb\n"}
    assert (sql.one("SELECT 1"), sql.one("SELECT 2")) == ("", "")


def test_latest_of_this_database_is_what_is_proven(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path, programs, monkeypatch)
    programs.answers |= {"info": info(FIRST, SECOND, THIRD), "SELECT timeline_id": "2\n"}
    drill.drill(CONFIG)
    chosen = played.fetched[0][1]
    assert isinstance(chosen, target.Target)
    assert (chosen.kind, chosen.timeline, chosen.backup) == ("default", 2, "20261130-093913F")
