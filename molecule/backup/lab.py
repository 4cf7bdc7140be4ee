"""The lab of the scenario: its machines, its site, and rows that are counted."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any

import yaml

from espalier.lab.process import podman
from espalier.load.report import is_clean, sentence
from espalier.load.site import read_site
from espalier.load.visitors import MAX_REQUESTS, Load
from tests.s3_server import KEYS, S3
from tests.steps import SSH, Lab, Wrong

LAB = Lab("backup")
on, site = LAB.on, LAB.site
VPS, NEW, SECOND, KEEPER, STAGING = (f"198.18.106.{last}" for last in range(11, 16))
STORE = S3(LAB.home, "198.18.106.1", size="600m")
TO_S3 = STORE.place
PROGRAM = "database-backup"


def set_variables(**values: Any) -> None:
    """Have hosts.yml say this in addition, and nothing else."""
    file = LAB.site_directory / "group_vars/all/more.yml"
    file.write_text(json.dumps(values))


def set_hosts(
    *, tiers: list[str], db: list[str], backup: list[str], spare: Sequence[str] = ()
) -> None:
    """Have hosts.yml say this: Django is on vps1, and nothing on spare machines."""
    file = LAB.site_directory / "hosts.yml"
    said = yaml.safe_load(file.read_text())
    addresses = {"vps1": VPS, "db2": SECOND, "backup1": KEEPER}
    names = dict.fromkeys(["vps1", *db, *backup, *spare])
    said["all"]["vars"]["tiers"] = tiers
    said["all"]["hosts"] = {
        name: {
            "ansible_host": addresses[name],
            "private_address": addresses[name],
            "memory_mb": 512 if name == "backup1" else 1024,
            "cores": 2,
        }
        for name in names
    }
    groups = {"web": ["vps1"], "app": ["vps1"], "db": db, "backup": backup}
    said["all"]["children"] = {
        group: {"hosts": dict.fromkeys(members)} for group, members in groups.items() if members
    }
    file.write_text(yaml.safe_dump(said, sort_keys=False))  # the first machine is used first


def prepare() -> None:
    """Begin with an environment of its own, an empty bucket, and machines that trust it."""
    STORE.remove()
    LAB.prepare()
    STORE.prepare()
    STORE.start()
    secrets = LAB.site_directory / ".secrets"
    secrets.mkdir(mode=0o700)
    for name, value in zip(("backup_access_key", "backup_secret_key"), KEYS, strict=True):
        (secrets / name).write_text(f"{value}\n")
    for address in (VPS, NEW, SECOND, KEEPER):
        on(address, STORE.trust())


def psql(address: str, statement: str, database: str = "orchard") -> str:
    """Ask a machine's database as its administrator; gives the rows, a line each.

    Raises:
        Wrong: a statement failed.
    """
    options = f"-XAtq -v ON_ERROR_STOP=1 -d {database}"
    words = f"cd / && runuser -u postgres -- psql {options} <<'END'\n{statement}\nEND"
    return on(address, words).strip()


class Writer:
    """Writes numbered rows as fast as one session may, and knows which were acknowledged, and when.

    The session is on the database's machine; what it acknowledges is kept here, where it survives
    that machine.
    """

    TABLE = "numbered"

    def __init__(self, address: str, pause: float = 0.005) -> None:
        """Make the table where it is missing, and go on after the highest number there."""
        make_table(address)
        self.first = int(psql(address, f"SELECT coalesce(max(id), 0) FROM {self.TABLE}")) + 1
        self.acknowledged: dict[int, float] = {}
        self._pause, self._stopped = pause, False
        ask = "cd / && runuser -u postgres -- psql -XAtq -d orchard"
        self._job = subprocess.Popen(
            [*SSH, f"root@{address}", ask],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        for work in (self._write, self._read):
            Thread(target=work, daemon=True).start()

    def _write(self) -> None:
        number = self.first
        try:
            while not self._stopped:
                assert self._job.stdin
                insert = f"INSERT INTO {self.TABLE} VALUES ({number}) RETURNING id;\n"
                self._job.stdin.write(insert)
                number += 1
                time.sleep(self._pause)
        except OSError:
            return  # the machine is gone

    def _read(self) -> None:
        assert self._job.stdout
        for line in self._job.stdout:
            if line.strip().isdigit():
                self.acknowledged[int(line)] = time.time()

    def stop(self) -> int:
        """End; gives the last number that was acknowledged."""
        self._stopped = True
        time.sleep(0.5)
        self._job.kill()
        self._job.wait()
        return max(self.acknowledged, default=0)


class Visit:
    """What visitors saw, once they have gone."""

    report: dict[str, Any]

    def said(self) -> str:
        """In a line, with what failed."""
        failures = "; ".join(str(one) for one in self.report["failures"])
        return f"{sentence(self.report)} {failures}".strip()

    def is_clean(self) -> bool:
        """Whether no request failed, and no row was lost."""
        return is_clean(self.report)


@contextmanager
def visited() -> Iterator[Visit]:
    """Have visitors read and write meanwhile."""
    visit, ledger = Visit(), LAB.home / "ledger"
    ledger.unlink(missing_ok=True)
    with Load(read_site(LAB.site_directory), 3, ledger, 600, MAX_REQUESTS, 0.1) as load:
        yield visit
    visit.report = load.report()


@contextmanager
def writing(address: str) -> Iterator[Writer]:
    """Have numbered rows written meanwhile."""
    writer = Writer(address)
    try:
        yield writer
    finally:
        writer.stop()


def make_table(address: str) -> None:
    """Make the table of numbered rows where it is missing."""
    psql(address, f"CREATE TABLE IF NOT EXISTS {Writer.TABLE} (id int PRIMARY KEY)")


def write_row(address: str) -> tuple[int, int]:
    """Write one more numbered row; gives what `numbers` does."""
    make_table(address)
    psql(address, f"INSERT INTO {Writer.TABLE} SELECT coalesce(max(id), 0) + 1 FROM {Writer.TABLE}")
    return numbers(address)


def numbers(address: str) -> tuple[int, int]:
    """How many numbered rows a machine has, and the highest number."""
    count, last = psql(address, f"SELECT count(*), coalesce(max(id), 0) FROM {Writer.TABLE}").split(
        "|"
    )
    return int(count), int(last)


def answers(address: str) -> bool:
    """Whether a machine's PostgreSQL answers."""
    ask = "cd / && runuser -u postgres -- psql -XAtqc 'SELECT 1' 2>&1 || true"
    with contextlib.suppress(Wrong):
        return on(address, ask).strip() == "1"
    return False


def container(address: str) -> str:
    """The name of a machine's container."""
    names = {VPS: "vps1", NEW: "vps2", SECOND: "db2", KEEPER: "backup1"}
    return f"espalier-backup-{names[address]}"


def power_off(address: str) -> None:
    """Take a machine's power away."""
    podman("kill", "--signal", "KILL", container(address))


def power_on(address: str) -> None:
    """Give it back."""
    podman("start", container(address))
    podman("exec", container(address), "sh", "-c", STORE.know())


def move_to(address: str) -> None:
    """Have hosts.yml name another machine in place of the site's."""
    file = LAB.site_directory / "hosts.yml"
    file.write_text(re.sub(r"198\.18\.106\.1[12]", address, file.read_text()))


def backups() -> dict[str, Any]:
    """What `espalier backups` says."""
    found: dict[str, Any] = json.loads(
        LAB.espalier("backups", "--json", status=None, with_errors=False)
    )
    return found


def findings(colour: str = "") -> list[str]:
    """The sentences of what is wrong, of all machines or of one colour."""
    return [
        one["sentence"]
        for machine in backups()["machines"].values()
        for one in machine.get("findings", [{"colour": "red", "sentence": machine.get("error")}])
        if colour in ("", one["colour"])
    ]


def restore(*words: str, status: int | None = 0) -> str:
    """Run `espalier restore`, without the question."""
    return LAB.espalier("restore", *words, "--yes", "orchard", status=status)


def drill(address: str) -> bool:
    """Have the drill take place now; gives whether it went well."""
    said = on(address, "systemctl start espalier-drill.service && echo well || true", status=None)
    return "well" in said


def sample() -> bool:
    """Have uploads copied, and a sample compared with the disk; gives whether that went well."""
    units = "espalier-uploads-backup.service espalier-uploads-sample.service"
    script = f"for unit in {units}; do systemctl start $unit || exit 0; done; echo well"
    return "well" in on(VPS, script)


def archive_now() -> None:
    """Have what was committed so far be at the destination."""
    psql(VPS, "SELECT pg_create_restore_point('now'); SELECT pg_switch_wal()")
    time.sleep(3)


def uploads_red() -> list[str]:
    """What is wrong with the copies of uploads."""
    found = backups()["uploads"]["vps1"]["findings"]
    return [one["sentence"] for one in found if one["colour"] == "red"]
