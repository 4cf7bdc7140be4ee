#!/usr/bin/python3
"""Make this machine's PostgreSQL follow its primary, and say what that took.

    postgresql-replica follow 17            start it, or copy the primary where nothing else helps
    postgresql-replica follow 17 --check    only say what it would do

Where the primary is, and which slot is ours, stands in PostgreSQL's own configuration. The answer
is one line of JSON: ``{"changed": bool, "did": str}``. A copy that can follow no longer is set
aside under a dated name, never deleted. A failure is a sentence on standard error, and status 1.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import grp
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

OWNER = "postgres"
WAIT = 300  # seconds for a replica to begin streaming: it may first replay what it had already
# What a replica logs when no amount of waiting will help.
HOPELESS = (
    "has already been removed",
    "is not a child of this server's history",
    "is not in this server's history",
    "forked off current database system timeline",
    "database system identifier differs",
    "highest timeline",
)


class ReplicaError(Exception):
    """A sentence for the person at the terminal."""


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

    # -- asking --------------------------------------------------------------------------------

    def is_streaming(self) -> bool:
        """Tell whether WAL arrives through our own slot."""
        sql = (
            "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' "
            "AND slot_name = current_setting('primary_slot_name')"
        )
        done = run("psql", "-XAt", "-d", "postgres", "-c", sql, check=False)
        return done.returncode == 0 and done.stdout.strip() == "1"

    def is_running(self) -> bool:
        """Tell whether systemd runs it."""
        return subprocess.run(["systemctl", "is-active", "--quiet", self.unit]).returncode == 0

    def setting(self, name: str) -> str:
        """Return a setting as the configuration files give it."""
        values = {}
        for path in (self.config / "postgresql.conf", self.config / "conf.d/espalier.conf"):
            for key, value in re.findall(r"(?m)^(\w+)\s*=\s*'(.*)'", path.read_text()):
                values[key] = value.replace("''", "'")
        return values[name]

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
        return self.data.exists() and not (self.data / "postmaster.opts").exists()

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
        # type, LSN, timeline; the LSN is empty for a slot that was invalidated, all for none.
        if len(slot := self.ask_primary(f"READ_REPLICATION_SLOT {self.slot}")) < 2 or not slot[1]:
            return "the primary no longer keeps what the copy lacks"
        return ""

    @property
    def slot(self) -> str:
        """The name of our slot on the primary."""
        return self.setting("primary_slot_name")

    # -- doing ---------------------------------------------------------------------------------

    def follow(self, check: bool) -> dict[str, object]:
        """Bring the replica to the point where it streams.

        Returns: what was done; or, with ``check``, what would be.
        """
        if self.is_streaming():
            return {"changed": False, "did": "nothing: it streams"}
        reason = self.reason_to_copy()
        if check and reason:
            return {"changed": True, "did": f"copy the primary: {reason}"}
        if check:  # the primary may just have been restarted
            runs = self.is_running()
            return {"changed": not runs, "did": "wait" if runs else "start"}
        if reason:
            return self.copy(reason)
        mark = self.log.stat().st_size if self.log.exists() else 0
        was_running = self.is_running()
        if not was_running:
            self.start()
        if trouble := self.wait_until_streaming(mark):
            return self.copy(trouble)
        return {"changed": not was_running, "did": "waited" if was_running else "started it"}

    def start(self) -> None:
        """Start PostgreSQL; raises ReplicaError with its log where that fails."""
        if subprocess.run(["systemctl", "start", self.unit], capture_output=True).returncode:
            raise ReplicaError(f"The replica does not start. Its log ends:\n{self.log_since(0)}")

    def wait_until_streaming(self, mark: int) -> str:
        """Wait for the replica to stream; gives what its log says where it never will, else "".

        Args:
            mark: where in the log, in bytes, the lines that count begin.
        """
        for _ in range(WAIT * 2):
            if self.is_streaming():
                return ""
            for line in self.log_since(mark).splitlines():
                if any(phrase in line for phrase in HOPELESS):
                    return line.partition("ERROR:")[2].strip() or line
            time.sleep(0.5)
        raise ReplicaError(
            f"The replica runs, but has not begun to stream within {WAIT} s; Django is not told "
            f"of it. Its log ends:\n{self.log_since(mark)}"
        )

    def log_since(self, mark: int) -> str:
        """Return the end of PostgreSQL's log, at most 2000 characters."""
        if not self.log.exists():
            return ""
        with self.log.open(errors="replace") as stream:
            stream.seek(mark if mark <= self.log.stat().st_size else 0)
            return stream.read()[-2000:]

    def copy(self, reason: str) -> dict[str, object]:
        """Copy the primary, put the copy in place of what was there, and start it."""
        shutil.rmtree(self.staging, ignore_errors=True)  # of a run that was cut off
        self.drop_slot()
        try:
            self.base_backup()
        except BaseException:
            # Without the slot the primary keeps nothing for a replica that is not there.
            shutil.rmtree(self.staging, ignore_errors=True)
            with contextlib.suppress(ReplicaError):
                self.drop_slot()
            raise
        (self.staging / "standby.signal").touch()
        subprocess.run(["systemctl", "stop", self.unit], check=True)
        aside = ""
        if self.is_unused() and not (self.data / "standby.signal").exists():
            shutil.rmtree(self.data)
        elif self.data.exists():
            aside = f"retired-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
            self.data.rename(self.data.with_name(aside))
        self.staging.rename(self.data)
        mark = self.log.stat().st_size if self.log.exists() else 0
        self.start()
        if trouble := self.wait_until_streaming(mark):
            raise ReplicaError(f"The primary was copied, but cannot be followed: {trouble}")
        kept = f"; what was here is now {self.data.with_name(aside)}" if aside else ""
        return {"changed": True, "did": f"copied the primary, as {reason}{kept}"}

    def drop_slot(self) -> None:
        """Give our slot back, if the primary has it.

        Raises ReplicaError where somebody uses it.
        """
        if any(self.ask_primary(f"READ_REPLICATION_SLOT {self.slot}")):
            # Our own receiver, in vain, may be just at it: it tries once a second, for a moment.
            self.ask_primary(f"DROP_REPLICATION_SLOT {self.slot}", tries=10)

    def base_backup(self) -> None:
        """Copy the primary into the staging directory; our slot keeps the WAL from its start on.

        Raises ReplicaError where the disk has too little room for it, or the copy fails.
        """
        free = shutil.disk_usage(self.data.parent).free
        command = [str(self.bin / "pg_basebackup"), "--dbname", self.setting("primary_conninfo")]
        command += ["--pgdata", str(self.staging), "--wal-method=stream", "--checkpoint=fast"]
        command += ["--create-slot", "--slot", self.slot, "--no-password", "--progress"]
        copying = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, preexec_fn=end_with_parent, **as_owner()
        )
        said = []
        for line in copying.stderr or ():
            said.append(line.strip())
            # "1234/56789 kB (2%), …": the second number is what the whole will take.
            size = re.search(r"/(\d+) kB", line)
            if size and int(size[1]) * 1024 * 11 // 10 > free:
                copying.terminate()
                copying.wait()
                raise ReplicaError(
                    f"The primary's data takes {int(size[1]) // 1024} MiB, and the disk under "
                    f"{self.data.parent} has {free // 2**20} MiB free. Give this machine a larger "
                    "disk, or delete what was set aside there (retired-*) and is no longer wanted."
                )
        if copying.wait():
            raise ReplicaError("The primary could not be copied: " + " ".join(said[-3:]))


def as_owner() -> dict[str, object]:
    """Return the options that make a child run as PostgreSQL's own user."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam(OWNER)
    groups = [group.gr_gid for group in grp.getgrall() if OWNER in group.gr_mem]
    environment = {"PATH": os.environ["PATH"], "HOME": user.pw_dir, "LC_ALL": "C.UTF-8"}
    return {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": groups,
        "env": environment,
        "cwd": "/",
    }


def end_with_parent() -> None:
    """Make the kernel end this child when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as PostgreSQL's own user."""
    return subprocess.run(command, capture_output=True, text=True, check=check, **as_owner())


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="postgresql-replica", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["follow"])
    parser.add_argument("version", help="PostgreSQL's major version, such as 17")
    parser.add_argument("--check", action="store_true", help="only say what would be done")
    arguments = parser.parse_args()
    # Two runs at once would copy into the same directory: the second one waits for the first.
    with open("/run/lock/postgresql-replica", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            print(json.dumps(Replica(arguments.version).follow(arguments.check)))
        except ReplicaError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
