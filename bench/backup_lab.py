"""The machines of bench/backups.py: one that has the site, a spare one, and an S3 server here."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from bench.run import front_page, run
from espalier.lab.process import podman
from tests.s3_server import BUCKET, KEYS, S3
from tests.steps import Lab, demand, soon

NETWORK = "198.18.107"
ADDRESSES = {"vps1": f"{NETWORK}.11", "vps2": f"{NETWORK}.12"}
# As large as the machines of the other benchmarks; the S3 server has the host's other core.
MACHINE = {"memory_mb": 1024, "cores": 1}
SSH = {
    "ansible_user": "root",
    "ansible_ssh_private_key_file": "~/.cache/espalier/lab/id_ed25519",
    "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
    "-o LogLevel=ERROR",
}
TIMERS = "espalier-backup espalier-backup-watch espalier-drill espalier-uploads-backup"
SITE = "orchard"
BACKUP_UNIT = "espalier-backup.service"
READY = "find /var/lib/postgresql/*/main/pg_wal/archive_status -name '*.ready' | wc -l"
PATIENCE = 2  # seconds that a good page may take
SEGMENT_MB = 16 * 2**20 / 1e6


class Bench:
    """Two lab machines, of which one is the site's."""

    def __init__(self) -> None:
        """Nothing is made yet."""
        self.lab = Lab("bench-backups")
        self.store = S3(self.lab.home, f"{NETWORK}.1")
        self.machines = self.lab.home / "machines"
        self.site, self.spare = ADDRESSES
        self.path = ""

    @property
    def address(self) -> str:
        """Of the site's machine."""
        return ADDRESSES[self.site]

    @property
    def folder(self) -> Path:
        """Where the copies of the database are, on this machine."""
        return self.store.folder / BUCKET / self.path.strip("/") / "database"

    def up(self) -> None:
        """Make new machines and an empty bucket, whatever an earlier run has left."""
        self.store.remove()
        shutil.rmtree(self.lab.home, ignore_errors=True)
        self.machines.mkdir(parents=True)
        hosts = {name: {"ansible_host": at, **MACHINE} for name, at in ADDRESSES.items()}
        lab = {"name": self.lab.name, "network": f"{NETWORK}.0/24"}
        _write(self.machines / "hosts.yml", {"all": {"vars": {"lab": lab, **SSH}, "hosts": hosts}})
        self._machines("down")
        self._machines("up")
        self.store.prepare()
        self.store.start()
        for address in ADDRESSES.values():
            self.lab.on(address, self.store.trust())

    def down(self) -> None:
        """Remove the machines, and what they have copied."""
        self.store.remove()
        shutil.rmtree(self.store.folder, ignore_errors=True)
        if (self.machines / "hosts.yml").exists():
            self._machines("down")

    def _machines(self, command: str) -> None:
        run(sys.executable, "-m", "espalier.lab", command, "-i", str(self.machines))

    def converge(self, path: str) -> None:
        """Have the site's copies go to another path, and wait for its first backup there."""
        before, self.path = self.folder, path
        self.describe()
        secrets = self.lab.site_directory / ".secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        for name, value in zip(("backup_access_key", "backup_secret_key"), KEYS, strict=True):
            (secrets / name).write_text(f"{value}\n")
        self.lab.site()
        demand(soon(self._is_backed_up, 3600), "no first backup")
        if before != self.folder and before.exists():
            shutil.rmtree(before)  # nobody wants it any more, and the disk is needed
            self.store.start()

    def _is_backed_up(self) -> bool:
        state = self.on(f"systemctl show --property=ActiveState --value {BACKUP_UNIT}").strip()
        demand(state != "failed", "the backup failed: .lab/bench-backups/commands.log")
        return state == "inactive" and bool(self.state()["backups"])

    def describe(self) -> None:
        """Write the environment, in which the site's machine is the one of now."""
        folder = self.lab.site_directory
        folder.mkdir(exist_ok=True)
        machine = {"ansible_host": self.address, "private_address": self.address, **MACHINE}
        everything = {
            "vars": {
                **SSH,
                "tiers": [],
                "project": {"directory": "examples/orchard"},
                "backup": {**self.store.place, "path": self.path},
            },
            "hosts": {"vps": machine},
            "children": {duty: {"hosts": {"vps": None}} for duty in ("web", "app", "db")},
        }
        _write(folder / "hosts.yml", {"all": everything})
        (folder / "topology.yml").write_text("plugin: topology\n")

    def on(self, script: str) -> str:
        """Run a script on the site's machine."""
        return self.lab.on(self.address, script)

    def sql(self, statement: str, database: str = SITE) -> str:
        """Ask the site's PostgreSQL as its administrator; gives the rows, a line each."""
        words = "PGOPTIONS='-c client_min_messages=warning' runuser -u postgres -- psql -XAtq"
        return self.on(
            f"{words} -v ON_ERROR_STOP=1 -d {database} <<'END'\n{statement}\nEND"
        ).strip()

    def state(self) -> dict[str, Any]:
        """What `espalier backups` says of the site's machine."""
        said = self.lab.espalier("backups", "--json", status=None, with_errors=False)
        found: dict[str, Any] = json.loads(said)["machines"]["vps"]
        demand(found["ok"], str(found))
        return found

    def pause(self) -> None:
        """Have nothing be copied but WAL until the next run of the site."""
        self.on(f"systemctl stop $(printf '%s.timer ' {TIMERS})")

    def archive(self, *, is_real: bool) -> None:
        """Have WAL go to the destination, or nowhere, as without backups."""
        change = "RESET archive_command" if is_real else "SET archive_command = '/bin/true'"
        self.sql(f"ALTER SYSTEM {change}")
        self.sql("SELECT pg_reload_conf()")
        command = "SELECT current_setting('archive_command') <> '/bin/true'"
        demand(soon(lambda: self.sql(command) == ("t" if is_real else "f")), "nothing was reloaded")

    def waiting(self) -> int:
        """How many segments of WAL wait to be archived."""
        return int(self.on(READY))

    def drain(self) -> float:
        """Wait until no WAL waits; gives the seconds."""
        began = time.monotonic()
        demand(soon(lambda: self.waiting() == 0, 900), "WAL still waits after 15 minutes")
        return time.monotonic() - began

    def finish_segment(self) -> None:
        """Have all that was written be at the destination."""
        self.sql("SELECT pg_create_restore_point('bench'); SELECT pg_switch_wal()")
        time.sleep(1)
        self.drain()

    def renew_spare(self) -> None:
        """Make the spare machine anew: it has nothing then."""
        podman("rm", "--force", "--time", "0", "--volumes", self._container(self.spare))
        self._machines("up")
        self.lab.on(ADDRESSES[self.spare], self.store.trust())

    def burn(self) -> None:
        """Take the site's machine away: the spare one is the site's from now on."""
        podman("kill", "--signal", "KILL", self._container(self.site))
        self.site, self.spare = self.spare, self.site
        self.describe()

    def _container(self, name: str) -> str:
        return f"espalier-{self.lab.name}-{name}"


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2))


@contextmanager
def visited(address: str) -> Iterator[list[tuple[float, bool]]]:
    """Ask for the front page ten times a second meanwhile; gives when, and if it was good."""
    visits: list[tuple[float, bool]] = []
    is_over = False

    def visit() -> None:
        while not is_over:
            began = time.monotonic()
            good = False
            with contextlib.suppress(OSError, http.client.HTTPException):
                good = bool(front_page(address, PATIENCE))
            # Of a good one, when it was there.
            visits.append((time.monotonic() if good else began, good))
            time.sleep(0.1)

    thread = Thread(target=visit, daemon=True)
    thread.start()
    try:
        yield visits
    finally:
        time.sleep(1)
        is_over = True
        thread.join(timeout=10)
