"""A real PostgreSQL that has crashed ends its segments of WAL in time again, once it is woken."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Iterator

import pytest

from espalier_machine.database_backup import archiving, sql
from overlay.tests.servers import INITDB, PostgreSQL

from .backups import CONFIG

pytestmark = pytest.mark.skipif(not INITDB, reason="PostgreSQL is not installed")

PATIENCE = 60  # seconds
SETTINGS = """
archive_mode = on
archive_command = '/bin/true'
archive_timeout = 1
checkpoint_timeout = 15min
"""


@pytest.fixture
def crashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgreSQL]:
    """One that was killed, and runs again since more than a few seconds."""
    server = PostgreSQL()
    try:
        data = server.data
        server.command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        with (data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)
        server.start()
        monkeypatch.setattr(archiving, "MARGIN", 0)
        monkeypatch.setattr(archiving.sql, "ask", lambda statement: asked(server, statement))
        sql.ask("CREATE TABLE numbers (n int)")
        server.stop()
        server.start()
        time.sleep(2)
        yield server
    finally:
        server.remove()


def asked(server: PostgreSQL, statement: str) -> list[list[str]]:
    words = ["psql", "-XAtq", server.admin(), "-c", statement]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return [line.split("|") for line in done.stdout.splitlines()]


def archived(server: PostgreSQL) -> str:
    return asked(server, "SELECT coalesce(max(last_archived_wal), '') FROM pg_stat_archiver")[0][0]


def test_segment_is_ended_in_time_after_a_crash(crashed: PostgreSQL) -> None:
    config = dataclasses.replace(CONFIG, archive_timeout=1)
    before = archived(crashed)
    asked(crashed, "INSERT INTO numbers VALUES (1)")
    until = time.monotonic() + PATIENCE
    while archived(crashed) == before and time.monotonic() < until:
        archiving.wake(config)
        time.sleep(0.5)
    assert archived(crashed) > before
    # From now on it needs nobody.
    before = archived(crashed)
    asked(crashed, "INSERT INTO numbers VALUES (2)")
    while archived(crashed) == before and time.monotonic() < until:
        time.sleep(0.5)
    assert archived(crashed) > before


def test_nobody_is_woken_who_is_in_time(crashed: PostgreSQL) -> None:
    assert not archiving.wake(dataclasses.replace(CONFIG, archive_timeout=600))
