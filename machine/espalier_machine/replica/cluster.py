"""The cluster of a replica: its paths, its settings, and what it and its primary say."""

from __future__ import annotations

import re
import time
from pathlib import Path

from espalier_machine.common import system
from espalier_machine.common.data_directory import was_started
from espalier_machine.common.owner import run
from espalier_machine.replica.errors import ReplicaError


class Replica:
    """The cluster ``main`` of one PostgreSQL version on this machine."""

    def __init__(self, version: str) -> None:
        """Know the paths of the version's cluster; nothing is read yet."""
        self.version = version
        self.bin = Path(f"/usr/lib/postgresql/{version}/bin")
        self.data = Path(f"/var/lib/postgresql/{version}/main")
        self.staging = self.data.with_name("main.joining")
        self.config = Path(f"/etc/postgresql/{version}/main")
        self.log = Path(f"/var/log/postgresql/postgresql-{version}-main.log")
        self.unit = f"postgresql@{version}-main"

    def is_streaming(self) -> bool:
        """Tell whether WAL arrives through our own slot."""
        sql = (
            "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' "
            "AND slot_name = current_setting('primary_slot_name')"
        )
        return self.ask(sql) == "1"

    def is_outdated(self) -> bool:
        """Tell whether it runs with another primary or slot than its configuration files have."""
        sql = (
            "SELECT count(*) > 0 FROM pg_file_settings f JOIN pg_settings s USING (name) "
            "WHERE name IN ('primary_conninfo', 'primary_slot_name') "
            "AND f.applied AND f.setting <> s.setting"
        )
        return self.ask(sql) == "t"

    def receiver(self) -> str:
        """Return the process that receives WAL, "" where there is none."""
        return self.ask("SELECT pid FROM pg_stat_wal_receiver")

    def ask(self, sql: str) -> str:
        """Return the answer of our own PostgreSQL, "" where it gives none."""
        done = run("psql", "-XAt", "-d", "postgres", "-c", sql, check=False)
        return "" if done.returncode else done.stdout.strip()

    def is_running(self) -> bool:
        """Tell whether systemd runs it."""
        return system.is_active(self.unit)

    def setting(self, name: str) -> str:
        """Return a setting as the configuration files give it."""
        values = {}
        for path in (self.config / "postgresql.conf", self.config / "conf.d/espalier.conf"):
            for key, value in re.findall(r"(?m)^(\w+)\s*=\s*'(.*)'", path.read_text()):
                values[key] = value.replace("''", "'")
        return values[name]

    @property
    def slot(self) -> str:
        """The name of our slot on the primary."""
        return self.setting("primary_slot_name")

    def ask_primary(self, command: str, tries: int = 1) -> list[str]:
        """Send a replication command, as often as needed; gives the columns of its first row.

        Raises ReplicaError where the primary does not answer, or refuses.
        """
        place = f"{self.setting('primary_conninfo')} replication=true connect_timeout=10"
        for pause in [0.3] * (tries - 1) + [0]:
            done = run("psql", "-XAtw", "-d", place, "-c", command, check=False)
            if not done.returncode:
                break
            time.sleep(pause)
        if done.returncode:
            raise ReplicaError(
                f"The primary refuses this replica: {done.stderr.strip().splitlines()[-1]}. Check "
                "that port 5432 of the primary's private address is open for this machine "
                "(firewall), and that no other machine uses its slot, then run again."
            )
        return done.stdout.strip().split("|")

    def control(self) -> dict[str, str]:
        """Return what pg_controldata says about the copy, as name -> value."""
        out = run(str(self.bin / "pg_controldata"), "-D", str(self.data)).stdout
        pairs = (line.split(":", 1) for line in out.splitlines() if ":" in line)
        return {name: value.strip() for name, value in pairs}

    def is_unused(self) -> bool:
        """Tell whether the data directory was made by the package and never started."""
        return self.data.exists() and not was_started(self.data)

    def reason_to_copy(self) -> str:
        """Return why the copy can not follow its primary, or "" where it should be able to."""
        signal_file = self.data / "standby.signal"
        if not self.data.exists() or (self.is_unused() and not signal_file.exists()):
            return "there was no copy yet"
        if not signal_file.exists():
            return "what was here was no replica"
        system, timeline = self.ask_primary("IDENTIFY_SYSTEM")[:2]
        control = self.control()
        if control["Database system identifier"] != system:
            return "the copy was of another database"
        if int(control["Latest checkpoint's TimeLineID"]) > int(timeline):
            return "the copy had a history of its own"
        if not self.primary_slot()[1]:
            return "the primary no longer keeps what the copy lacks"
        return ""

    def primary_slot(self) -> tuple[str, str]:
        """Return type and LSN of our slot on the primary.

        The LSN is empty for a slot that was invalidated, both are where there is none.
        """
        kind, lsn = (*self.ask_primary(f"READ_REPLICATION_SLOT {self.slot}"), "", "")[:2]
        return kind, lsn

    def log_since(self, mark: int) -> str:
        """Return the end of PostgreSQL's log, at most 2000 characters."""
        if not self.log.exists():
            return ""
        with self.log.open(errors="replace") as stream:
            stream.seek(mark if mark <= self.log.stat().st_size else 0)
            return stream.read()[-2000:]
