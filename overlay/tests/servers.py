"""Real servers for the tests, in directories and on sockets of their own."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class PostgreSQL:
    """A PostgreSQL that listens on a socket only, without a password."""

    def __init__(self) -> None:
        """Make its directory; `create` or `replica_of` comes next."""
        # Not pytest's directory: a socket's path has 107 bytes, and postgres must get there.
        self.directory = Path(tempfile.mkdtemp(prefix="espalier-pg-"))
        self.data = self.directory / "data"
        self.user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.directory, "postgres", "postgres")
            self.user = ["runuser", "-u", "postgres", "--"]

    def create(self) -> None:
        """Make a new cluster, and start it."""
        self.command("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()

    def replica_of(self, primary: "PostgreSQL") -> None:
        """Copy another one's cluster, and start it as its replica."""
        source = ["-h", primary.directory, "-U", "postgres"]
        self.command("pg_basebackup", *source, "-D", self.data, "-R", "-c", "fast", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses='' -c fsync=off -k {self.directory}"
        log = self.directory / "log"
        self.command("pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", "start")

    def pid(self) -> int:
        """Return the postmaster's process."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        """End it at once, in whatever state it is."""
        subprocess.run(
            [*self.user, INITDB[-1].parent / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def remove(self) -> None:
        """End it and delete its directory."""
        self.stop()
        shutil.rmtree(self.directory)

    def command(self, name: str, *arguments: object) -> None:
        """Run one of PostgreSQL's programs."""
        command = [*self.user, INITDB[-1].parent / name, *map(str, arguments)]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    def url(self, user: str, database: str) -> str:
        """Return where it is, as the overlay wants it."""
        return f"postgresql://{user}@{quote(str(self.directory), safe='')}/{database}"

    def admin(self, database: str = "postgres") -> str:
        """Return the superuser's connection string."""
        return f"host={self.directory} user=postgres dbname={database}"


def hang(pid: int) -> None:
    """Stop a process, so that its sockets take what is sent and nothing comes back."""
    os.kill(pid, signal.SIGSTOP)


def go_on(pid: int) -> None:
    """Undo `hang`."""
    os.kill(pid, signal.SIGCONT)
