"""Which backup a replica is built from, and when its primary is copied instead."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import standby
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.standby import Primary

from .backups import FIRST, SECOND, THIRD, Programs, here, info

SYSTEM = "7713895870308637864"
HISTORY = "1\t0/80000A0\tbefore 2026-11-30 09:36:40+00\n"
# A little after the newest backup; it keeps the segment in which it writes.
AT_FIRST = Primary(SYSTEM, 1, "", "0/7000110", "0/7000028")
RESTORED = dataclasses.replace(AT_FIRST, timeline=2, history=HISTORY)


@pytest.fixture
def replica(tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine that has nothing yet; two backups and the WAL after them are at the destination."""
    monkeypatch.setattr(standby.shutil, "chown", lambda *_: None)
    programs.answers["info"] = info(FIRST, SECOND, newest="000000010000000000000008")
    programs.archive(**{f"s0000000100000000000000{n:02X}": 1796031300.0 + n for n in range(1, 9)})
    return here(tmp_path, part="replica")


def built(config: Any, primary: Primary = AT_FIRST) -> dict[str, Any]:
    return standby.fetch(config, config.data.with_name("main.joining"), primary)


def refusal(config: Any, primary: Primary = AT_FIRST) -> str:
    with pytest.raises(BackupError) as caught:
        built(config, primary)
    assert not config.data.with_name("main.joining").exists()
    return str(caught.value)


def refusal_of(config: Any, primary: Primary) -> str:
    """Return the sentence, on a machine that had been given a backup a moment ago."""
    config.data.with_name("main.joining").rmdir()
    return refusal(config, primary)


def test_newest_backup_is_fetched_as_a_replica(replica: Any, programs: Programs) -> None:
    assert built(replica) == {"backup": SECOND["label"], "ended": SECOND["timestamp"]["stop"]}
    (command,) = programs.ran("restore")
    staging = replica.data.with_name("main.joining")
    assert f"--pg1-path={staging} --set={SECOND['label']} --type=standby" in command
    assert staging.stat().st_mode & 0o777 == 0o700
    # PostgreSQL will run in the directory that it is put into; where the archive has no more, the
    # primary is asked: so its status is pgBackRest's.
    assert f'--pg1-path={replica.data} archive-get %f "%p" restore' in command


def test_backups_of_another_database_are_of_no_use(replica: Any) -> None:
    assert refusal(replica, dataclasses.replace(AT_FIRST, system="7")) == (
        "The backups are of another database."
    )


def test_backup_after_the_moment_to_which_the_primary_was_restored_leads_nowhere(
    replica: Any, programs: Programs
) -> None:
    early = dataclasses.replace(RESTORED, history=HISTORY.replace("0/80000A0", "0/50000A0"))
    programs.archive(s000000020000000000000005=0.1, s000000020000000000000006=0.1)
    programs.archive(s000000020000000000000007=0.1, s000000020000000000000008=0.1)
    large = {**FIRST, "info": {**FIRST["info"], "size": 10**9}}
    programs.answers["info"] = info(large, SECOND, newest="000000020000000000000008")
    assert built(replica, early)["backup"] == FIRST["label"]
    none = dataclasses.replace(RESTORED, history=HISTORY.replace("0/80000A0", "0/2000000"))
    assert refusal_of(replica, none) == "No backup leads to what the primary has now."


def test_backup_before_that_moment_leads_on(replica: Any, programs: Programs) -> None:
    programs.archive(s000000020000000000000008=1796031320.0)
    assert built(replica, RESTORED)["backup"] == SECOND["label"]


def test_backup_of_the_new_timeline_is_taken(replica: Any, programs: Programs) -> None:
    programs.answers["info"] = info(FIRST, SECOND, THIRD)
    programs.archive(s00000002000000000000000A=1796031555.0)
    later = dataclasses.replace(RESTORED, position="0/B000110", kept="0/A0000A0")
    assert built(replica, later)["backup"] == THIRD["label"]


def test_more_wal_than_the_database_is_large_is_not_replayed(replica: Any) -> None:
    # The database has 23,074,558 bytes, and the backup ends at 0/6000050.
    far = dataclasses.replace(AT_FIRST, position="0/760174E")
    assert built(replica, far)
    further = dataclasses.replace(AT_FIRST, position="0/9000110")
    assert refusal_of(replica, further) == (
        "50 MB of WAL came since the newest backup, more than the database's 23 MB."
    )


def test_wal_has_to_follow_without_a_gap(replica: Any, programs: Programs) -> None:
    folder = programs.folders["archive/shop/15-1/0000000100000000"]
    del folder[next(name for name in folder if name.startswith("000000010000000000000007"))]
    assert refusal(replica) == (
        "WAL is missing from 000000010000000000000006 to 000000010000000000000008."
    )


def test_wal_has_to_come_up_to_what_the_primary_keeps(replica: Any) -> None:
    ahead = dataclasses.replace(AT_FIRST, kept="0/9000028")
    assert built(replica, ahead)
    ahead = dataclasses.replace(AT_FIRST, kept="0/A000028")
    assert refusal_of(replica, ahead) == (
        "WAL at the destination ends with 000000010000000000000008, before what the primary keeps."
    )


def test_half_a_backup_is_removed(replica: Any, programs: Programs) -> None:
    programs.answers["restore"] = (55, "", "ERROR: [055]: unable to load info file")
    assert "cannot be restored" in refusal(replica)
