"""Project code in a systemd scope of its own: it gets the memory that what serves can spare."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from espalier_machine.common import system
from espalier_machine.release import memory
from espalier_machine.release.errors import OutOfMemory, ReleaseError
from espalier_machine.release.memory import MEGABYTE, Faults, Memory, Taken

RESERVE = 64 * MEGABYTE  # or a tenth of the machine, for what serves to grow meanwhile
# With swap, what is beyond is swapped before it is killed; the gap ends what would only crawl.
GAP = 16 * MEGABYTE
HOUR = 3600
# Seconds that a step may take. What migrations and hooks need, only their author knows.
TIME_LIMITS = {
    "install": HOUR,
    "build": HOUR,
    "check": HOUR // 4,
    "static": HOUR,
    "compile": HOUR // 4,
}
DOWNLOADS = ("install", "build")  # the steps that ask indexes and repositories
NO_GROUPS = "--clear-groups"
GRACE = 60  # seconds after which systemd ends what this program could not
LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[1]); from espalier_machine.release import bounded; "
    "sys.exit(bounded.main(int(sys.argv[2]), sys.argv[3:]))"
)
PACKAGES = str(Path(__file__).parents[2])  # a directory, or the zipapp

# At its limit, a command that reads its own program from the disk again and again makes no way, and
# the kernel need not end it. Pages a second, for so many seconds; one that fits reads each once.
CRAWL, WINDOW = 30, 60
LOOK = 3  # seconds between two looks

_count = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Bound:
    """What a command may take, in bytes, and the memory that it was computed from."""

    memory: int
    swap: int
    free: Memory

    @classmethod
    def of(cls, free: Memory) -> Bound:
        """All that is free, but for a reserve; half of it where little is."""
        reserve = max(RESERVE, free.total // 10)
        return cls(max(free.available - reserve, free.available // 2), free.swap // 2, free)

    def properties(self, seconds: int | None) -> list[str]:
        """As options of systemd-run (man 5 systemd.resource-control)."""
        found = {
            "MemoryMax": self.memory,
            "MemorySwapMax": self.swap,
            # Only with swap: without, it would delay the end that comes all the same.
            "MemoryHigh": max(self.memory - GAP, self.memory // 2) if self.swap else "infinity",
            # Of a service's weight of 100.
            "CPUWeight": 10,
            "IOWeight": 10,
        }
        if seconds:
            found["RuntimeMaxSec"] = seconds + GRACE
        return [f"--property={name}={value}" for name, value in found.items()]


def is_usable() -> bool:
    """Whether systemd runs this machine; it does not in tests."""
    return Path("/run/systemd/system").is_dir() and bool(shutil.which("systemd-run"))


class Crawl:
    """Sees that a command makes no way for want of memory."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.since: tuple[float, int] | None = None

    def seen(self, now: float, found: Faults) -> bool:
        """Whether it has crawled for WINDOW seconds at `now`, also a time in seconds."""
        if not found.at_limit:
            self.since = None
        elif self.since is None:
            self.since = now, found.major
        elif now - self.since[0] >= WINDOW:
            crawled = found.major - self.since[1] >= CRAWL * (now - self.since[0])
            self.since = now, found.major
            return crawled
        return False


class Scope:
    """One command's scope: how it is started, and what it reports."""

    def __init__(self, account: pwd.struct_passwd, step: str, group: str = "") -> None:
        """Compute the bound from what is free right now.

        What downloads requirements runs in `group`, which the packet filter knows.
        """
        self.group = group if step in DOWNLOADS else ""
        self.account, self.step, self.bound = account, step, Bound.of(memory.read())
        self.unit = f"espalier-build-{os.getpid()}-{next(_count)}.scope"
        self.seconds = TIME_LIMITS.get(step)
        self.ours, self.theirs = socket.socketpair()

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` in the scope, as the project's user.

        Beside the site's services, so that its weights are compared with theirs.
        """
        start = ["systemd-run", "--scope", "--collect", "--quiet", "--slice=system.slice"]
        # Else it would be the command, in the journal, where no secret of its arguments belongs.
        start += [f"--unit={self.unit}", f"--description=Step {self.step} of a release"]
        start += self.bound.properties(self.seconds)
        own = str(self.account.pw_gid)
        groups = [f"--regid={self.group}", f"--groups={own}"] if self.group else []
        become = [f"--reuid={self.account.pw_uid}", *(groups or [f"--regid={own}", NO_GROUPS])]
        inside = [sys.executable, "-I", "-S", "-c", LAUNCH, PACKAGES, str(self.theirs.fileno())]
        return [*start, "--", "setpriv", *become, "--", *inside, *argv]

    def send(self, env: Mapping[str, str]) -> None:
        """Hand over the environment, once the command was started."""
        self.theirs.close()
        with suppress(OSError):  # it has ended already, and its exit status tells
            self.ours.sendall(json.dumps(dict(env)).encode())
            self.ours.shutdown(socket.SHUT_WR)

    def wait(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        """What it prints; raises ReleaseError when it crawls, or takes longer than its step may."""
        deadline, crawl = time.monotonic() + (self.seconds or float("inf")), Crawl()
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=LOOK)
            if crawl.seen(time.monotonic(), memory.faults(str(process.pid))):
                raise OutOfMemory(self.step, needs_more_memory(self.step, self.bound, None))
            if time.monotonic() > deadline:
                raise ReleaseError(self.step, self.takes_too_long())

    def takes_too_long(self) -> str:
        """The sentence for a command that was ended after its time."""
        minutes, had = (self.seconds or 0) // 60, self.bound.memory // MEGABYTE
        free = self.bound.free
        return f"it was ended after {minutes} minutes; it had {had} MB of memory, as {free}."

    def report(self) -> Taken | None:
        """What it took; None where nobody was left to tell, as when all were killed."""
        with self.ours, suppress(OSError, ValueError), self.ours.makefile() as stream:
            return Taken(**json.load(stream))
        return None

    def end(self) -> None:
        """End what is left in it, such as a child that made itself a session of its own."""
        self.ours.close()
        system.run("systemctl", "kill", "--signal=KILL", self.unit)


def end_leftovers() -> None:
    """End what a `release` that was killed has left: it may write where the next one builds."""
    units = system.run(
        "systemctl", "list-units", "--plain", "--no-legend", "espalier-build-*.scope"
    )
    for unit, pid in re.findall(r"^(espalier-build-(\d+)-\d+\.scope)", units.stdout, re.MULTILINE):
        if not Path(f"/proc/{pid}").exists():
            system.run("systemctl", "kill", "--signal=KILL", unit)


def needs_more_memory(step: str, bound: Bound, took: Taken | None) -> str:
    """The sentence for a command that the kernel killed."""
    peak = (took.peak if took else 0) or bound.memory
    helps = ["more swap" if bound.free.swap else "swap", "a larger machine"]
    if step == "install":
        wheels = "requirements that come as wheels (such as `psycopg[binary]` for `psycopg[c]`)"
        helps[:0] = [
            wheels,
            "another machine that builds them (`build_on: lab` for your own computer)",
        ]
    return (
        f"it needs more memory than can be spared here: it was ended at {peak // MEGABYTE} MB; "
        f"{bound.free}, and {(bound.free.available - bound.memory) // MEGABYTE} MB are kept for "
        f"what serves. What helps: {', '.join(helps[:-1])} or {helps[-1]}."
    )


def was_killed(took: Taken | None, code: int) -> bool:
    """Whether the kernel ended a process of it for want of memory, or all of them."""
    return took.kills > 0 if took else code in (-signal.SIGKILL, 128 + signal.SIGKILL)
