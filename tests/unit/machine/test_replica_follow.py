"""A replica reads its configuration before it is judged; PostgreSQL and systemd are played."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.common import system
from espalier_machine.replica import cluster, follow, streaming
from espalier_machine.replica.cluster import Replica


class Postgres:
    """Plays a replica that runs, its primary, and the systemctl that reloads the replica."""

    def __init__(self, replica: Replica, primary: str, slot: str) -> None:
        """The replica streams from the address `primary` through `slot`."""
        self.replica, self.address, self.slots = replica, primary, {slot: "0/3000000"}
        self.write(primary, slot)
        self.read = self.written()
        self.receivers = 1
        self.log: list[str] = []

    def write(self, host: str, slot: str) -> None:
        """Write the configuration, as a run does."""
        path = self.replica.config / "conf.d/espalier.conf"
        path.write_text(f"primary_conninfo = 'host={host}'\nprimary_slot_name = '{slot}'\n")

    def written(self) -> tuple[str, str]:
        """Give what the configuration files have."""
        return self.replica.setting("primary_conninfo"), self.replica.slot

    def streams(self) -> bool:
        """Tell whether the primary gives WAL for what was read."""
        host, slot = self.read
        return host == f"host={self.address}" and slot in self.slots

    def psql(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Answer what is asked on the replica, or of the primary."""
        if command[0].endswith("pg_controldata"):
            return done("Database system identifier: 7\nLatest checkpoint's TimeLineID: 1\n")
        place, words = command[command.index("-d") + 1], command[-1].split()
        if "replication=true" in place:
            if f"host={self.address} " not in place:
                return done("", "connection refused", 2)
            self.log.append(command[-1])
            if words[0] == "CREATE_REPLICATION_SLOT":
                self.slots[words[1]] = "0/3000000"
            lsn = self.slots.get(words[1] if len(words) > 1 else "", "")
            kind = "physical" if lsn else ""
            return done("7|1|0/1|" if words == ["IDENTIFY_SYSTEM"] else f"{kind}|{lsn}|")
        if "pg_file_settings" in command[-1]:
            return done("t" if self.written() != self.read else "f")
        if words[:2] == ["SELECT", "pid"]:
            return done(str(self.receivers) if self.streams() else "")
        return done("1" if self.streams() else "0")

    def systemctl(self, *argv: str, timeout: float | None = None) -> Any:
        """Reload the replica, which always runs."""
        self.log.append(" ".join(argv[1:2]))
        if argv[1] == "reload":
            self.receivers += self.read != self.written()
            self.read = self.written()
        return done("")


def done(out: str, err: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, out, err)


@pytest.fixture
def postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    replica = Replica("17")
    replica.config, replica.data = tmp_path / "etc", tmp_path / "data"
    replica.log = tmp_path / "log"
    (replica.config / "conf.d").mkdir(parents=True)
    (replica.config / "postgresql.conf").write_text("")
    replica.data.mkdir()
    for name in ("standby.signal", "postmaster.opts"):
        (replica.data / name).touch()
    made = Postgres(replica, "10.0.0.1", "espalier_db2")
    monkeypatch.setattr(cluster, "run", made.psql)
    monkeypatch.setattr(system, "run", made.systemctl)
    monkeypatch.setattr(streaming, "WAIT", 1)
    return made


def test_replica_that_streams_is_left_alone(postgres: Postgres) -> None:
    assert follow.follow(postgres.replica, check=False) == {
        "changed": False,
        "did": "nothing: it streams",
    }
    assert "reload" not in postgres.log


def test_primary_at_another_address_is_followed(postgres: Postgres) -> None:
    postgres.address = "10.0.0.9"
    postgres.write("10.0.0.9", "espalier_db2")
    assert follow.follow(postgres.replica, check=True) == {
        "changed": True,
        "did": "reload its configuration",
    }
    assert "reload" not in postgres.log
    assert follow.follow(postgres.replica, check=False) == {
        "changed": True,
        "did": "reloaded its configuration",
    }
    assert postgres.streams()


def test_replica_of_another_name_streams_through_its_new_slot(postgres: Postgres) -> None:
    postgres.write("10.0.0.1", "espalier_copy2")
    assert follow.follow(postgres.replica, check=False) == {
        "changed": True,
        "did": "reloaded its configuration",
    }
    assert postgres.read[1] == "espalier_copy2"
    assert postgres.streams()
    # The primary must keep what the copy lacks before the former slot is left.
    create = "CREATE_REPLICATION_SLOT espalier_copy2 PHYSICAL RESERVE_WAL"
    assert postgres.log.index(create) < postgres.log.index("reload")


def test_slot_that_the_primary_gave_up_is_not_made_again(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    monkeypatch.setattr(follow, "copy_primary", lambda replica, reason: copied.append(reason) or {})
    postgres.slots.clear()
    follow.follow(postgres.replica, check=False)
    assert copied == ["the primary no longer keeps what the copy lacks"]
    assert not [line for line in postgres.log if line.startswith("CREATE")]


def test_stream_of_the_former_receiver_does_not_count(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends it a moment after it has read the configuration."""
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        postgres.receivers = 2

    monkeypatch.setattr(streaming.time, "sleep", sleep)
    postgres.write("10.0.0.1 ", "espalier_db2")  # any difference of the two
    monkeypatch.setattr(postgres, "streams", lambda: True)

    def systemctl(*argv: str, timeout: float | None = None) -> Any:
        if argv[1] == "reload":
            postgres.read = postgres.written()
        return done("")

    monkeypatch.setattr(system, "run", systemctl)
    follow.follow(postgres.replica, check=False)
    assert waited == [0.5]


LOG = (
    "2026-11-30 17:29:10.562 UTC [3180] LOG:  started streaming WAL from primary at 0/14000000 on "
    "timeline 2\n"
    "2026-11-30 17:29:10.562 UTC [3180] FATAL:  could not receive data from WAL stream: ERROR:  "
    "requested starting point 0/14000000 is ahead of the WAL flush position of this server "
    "0/120288A0\n"
)


def test_copy_that_has_what_the_primary_never_had_is_not_waited_for(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "streams", lambda: False)
    postgres.replica.log.write_text(LOG)
    assert "is ahead of the WAL flush position" in streaming.wait_until_streaming(
        postgres.replica, 0
    )


def test_replay_of_the_archive_may_take_as_long_as_it_goes_on(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored = 0

    def sleep(seconds: float) -> None:
        nonlocal restored
        restored += 1
        line = f'LOG:  restored log file "0000000100000000000000{restored:02X}" from archive\n'
        postgres.replica.log.write_text(line)

    monkeypatch.setattr(streaming.time, "sleep", sleep)
    monkeypatch.setattr(postgres, "streams", lambda: restored == 20)
    # It waits for a second, in halves, since the last segment that came.
    assert streaming.wait_until_streaming(postgres.replica, 0) == ""
    assert restored == 20
