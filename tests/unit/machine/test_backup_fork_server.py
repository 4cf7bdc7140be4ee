"""A real PostgreSQL is restored twice, and its machine is gone before any new WAL has come.

The archive then knows that a timeline began, and has of it nothing but its history: the segment in
which it began is there as the former timeline wrote it, with what came after the restored moment.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from espalier_machine.database_backup import recovery, restore, standby
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.standby import Primary
from espalier_machine.database_backup.target import Target
from overlay.tests.servers import INITDB, PostgreSQL

from .backups import CONFIG

pytestmark = pytest.mark.skipif(
    not (INITDB and shutil.which("pgbackrest")), reason="PostgreSQL or pgBackRest is not installed"
)

PATIENCE = 60  # seconds
# Where the machine is cut off, nothing but histories goes to the destination.
ARCHIVE = """#!/bin/sh
[ -e {folder}/cut-off ] && case "$1" in *.history) ;; *) exit 1 ;; esac
exec pgbackrest --config={folder}/pgbackrest.conf --stanza=shop archive-push "$2"
"""
CONF = """[global]
repo1-path={folder}/repository
lock-path={folder}/lock
log-path={folder}/log-of-pgbackrest
log-level-file=off
start-fast=y
repo1-retention-full=2
[shop]
pg1-path={folder}/data
pg1-socket-path={folder}
pg1-user=postgres
"""


@dataclass(frozen=True)
class Server(Config):
    """The part of a machine whose cluster is that of the test."""

    folder: Path = Path("/nowhere")

    @property
    def data(self) -> Path:
        """Where its data is."""
        return self.folder / "data"


class Site:
    """A cluster with numbered rows, whose WAL is archived."""

    def __init__(self) -> None:
        """Make it, and its first backup."""
        self.server = PostgreSQL()
        self.folder = self.server.directory
        self.conf = self.folder / "pgbackrest.conf"
        version = INITDB[-1].parent.parent.name
        self.config = Server(**{**vars(CONFIG), "version": version, "folder": self.folder})
        self.conf.write_text(CONF.format(folder=self.folder))
        archive = self.folder / "archive-by-pgbackrest.sh"  # it wants its name there
        archive.write_text(ARCHIVE.format(folder=self.folder))
        archive.chmod(0o755)
        data = self.server.data
        self.server.command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"archive_mode = on\narchive_command = '{archive} %f %p'\n")
        self.server.start()
        for command in ("stanza-create", "backup"):
            self.pgbackrest(command)
        self.sql("CREATE TABLE numbers (n int)")

    def pgbackrest(self, command: str) -> None:
        """Run a command of it."""
        words = ["pgbackrest", f"--config={self.conf}", "--stanza=shop", command]
        subprocess.run([*self.server.user, *words], check=True, cwd="/")

    def sql(self, statement: str) -> str:
        """Ask the cluster."""
        words = ["psql", "-XAtq", self.server.admin(), "-c", statement]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def add(self, number: int) -> float:
        """Add a row; gives a moment after it (Unix seconds)."""
        self.sql(f"INSERT INTO numbers VALUES ({number})")
        time.sleep(0.1)
        return time.time()

    def rows(self) -> str:
        """Return the numbers that are there."""
        return self.sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM numbers")

    def archived(self, name: str) -> bool:
        """Tell whether a file of the archive is there, by how it begins."""
        return any((self.folder / "repository/archive").rglob(f"{name}*"))

    def finish_segment(self) -> None:
        """Have all that was written be in the archive."""
        name = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        self.wait(lambda: self.archived(name))

    @staticmethod
    def wait(is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        until = time.monotonic() + PATIENCE
        while not is_so() and time.monotonic() < until:
            time.sleep(0.1)
        assert is_so()

    def restore(self, target: Target) -> None:
        """Bring a moment back in place of what is there, which is thrown away."""
        self.server.stop()
        shutil.rmtree(self.server.data)
        self.server.data.mkdir(mode=0o700)
        if self.server.user:
            shutil.chown(self.server.data, "postgres", "postgres")
        recovery.fetch(self.config, target, self.server.data, self.server.data, self.conf)
        self.server.start()
        self.wait(lambda: self.sql("SELECT pg_is_in_recovery()") == "f")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site that was restored to before a mishap, and is gone before any WAL has come since."""
    made = Site()
    try:
        made.add(1)
        made.finish_segment()
        before = made.add(2)
        made.add(3)  # the mishap
        time.sleep(1)  # when a segment came is known in full seconds
        made.finish_segment()
        target, _ = restore.find(made.config, {"to": before}, made.conf)
        (made.folder / "cut-off").touch()
        made.restore(target)
        assert made.rows() == "1,2"
        made.add(4)
        made.wait(lambda: made.archived("00000002.history"))
        yield made
    finally:
        made.server.remove()


def primary(site: Site) -> Primary:
    words = [site.server.admin() + " replication=true", "-c"]

    def ask(command: str) -> list[str]:
        done = subprocess.run(["psql", "-XAt", *words, command], capture_output=True, text=True)
        return done.stdout.strip().split("|")

    system, timeline, position = ask("IDENTIFY_SYSTEM")[:3]
    history = ask("TIMELINE_HISTORY 2")[1]
    # So small a database has less than the WAL that came since its backup: that is not the matter.
    return Primary(system, int(timeline), history, "0/0", position)


def test_replica_is_not_built_from_what_the_primary_has_left(site: Site) -> None:
    with pytest.raises(BackupError, match="No WAL has come yet of what the primary began"):
        standby.fetch(site.config, site.folder / "joining", primary(site), site.conf)


def test_what_came_after_the_restored_moment_does_not_come_back(site: Site) -> None:
    site.server.stop()  # the machine is gone
    target, _ = restore.find(site.config, {"latest": True}, site.conf)
    assert target.position
    site.restore(target)
    assert site.rows() == "1,2"


def test_without_the_position_it_would(site: Site) -> None:
    """That is PostgreSQL's: once it does so no more, the position is not needed."""
    target, _ = restore.find(site.config, {"latest": True}, site.conf)
    site.restore(dataclasses.replace(target, position="", timeline=2, is_current=False))
    assert site.rows() == "1,2,3"
