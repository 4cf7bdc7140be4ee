"""Holds the lock over the site for a run of a playbook, in a process of its own.

`start` begins it: `python -m espalier.rollout.holder`, which takes the lock, tells so in one line,
and goes on sending heartbeats until it is told to end (`end`: all is done) or the run has ended
without a word, as when it failed or was killed. Then the lock is free, and the machines remember
that something was cut off.

The run is known by two pipes, whose other ends it alone has: the kernel closes them with the run,
however that ends. A process id would not do: it stays until somebody asks for the exit status, and
may be another process's later.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import Any

from espalier.inventory.remote import explain
from espalier.inventory.site import Site, SiteError
from espalier.rollout.display import Display
from espalier.rollout.guard import Guard
from espalier.rollout.lock import HEARTBEAT, Heartbeats, LockError, starting, take

UNLOCK_TIMEOUT = 15  # seconds
ORPHANS = 60  # seconds that tasks of a killed run may take to end, with the lock held


class RunPipes:
    """Two pipes: one ends with the process that makes it, the other with all that it forks too.

    `readers` are their file descriptors for who wants to know, in this order.
    """

    def __init__(self) -> None:
        """Made in the run's first process; programs that the run executes have no part in it."""
        first, everybody = os.pipe(), os.pipe()
        self.readers = (first[0], everybody[0])
        self.is_forked = False
        self._writer = first[1]
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        if not self.is_forked:
            self.is_forked = True
            os.close(self._writer)


def start(site: Site, by: str, *, run: tuple[int, int], what: str = "site.yml") -> dict[str, Any]:
    """Take the lock over a site for as long as a run lives.

    Args:
        site: where, and how its machines are reached.
        by: who asks for it.
        run: the file descriptors of two pipes that end with the run; see `RunPipes`.
        what: the run is, for those who are kept waiting.

    Returns:
        `pid` of the process that holds it, `socket` for `end`, `tokens` by machine, and `notes` for
        a person.

    Raises:
        SiteError: somebody else holds it (status 3), or a machine refuses it.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        holder = subprocess.Popen(
            [sys.executable, "-P", "-m", "espalier.rollout.holder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=run,
            text=True,
            start_new_session=True,
        )
        assert holder.stdin and holder.stdout
        with suppress(BrokenPipeError):
            order = {"site": site.to_json(), "by": by, "run": run, "what": what}
            holder.stdin.write(json.dumps(order))
            holder.stdin.close()
        line = holder.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if "tokens" in answer:
            return answer | {"pid": holder.pid}
        holder.wait()
        errors.seek(0)
        words = errors.read()
    if "error" in answer:
        raise SiteError(answer["error"], answer["status"], answer["detail"])
    raise SiteError(f"the lock over the site cannot be taken: {explain(words)}", 1, words)


def end(address: str) -> None:
    """Tell the process that holds the lock that all is done, and wait until the lock is free.

    Args:
        address: `socket` of what `start` gave.
    """
    with socket.socket(socket.AF_UNIX) as caller, suppress(OSError):  # it may have ended already
        caller.settimeout(UNLOCK_TIMEOUT)
        caller.connect(address)
        caller.recv(1)


def main() -> None:
    """Hold the lock that standard input asks for."""
    order = json.load(sys.stdin)
    site = Site.from_json(order["site"])
    try:
        with (
            tempfile.TemporaryDirectory(prefix="espalier-") as folder,
            socket.socket(socket.AF_UNIX) as listener,
            starting(site, order["what"], order["by"]) as start_on,
        ):
            listener.bind(f"{folder}/unlock")
            listener.listen()
            lock = take(site.app_machines, start_on, skip_unreachable=True)
            notes = [lock.note] if lock.note else []
            notes += [
                f"{name} does not answer, so it is not locked; nothing can be released there."
                for name in lock.unreachable
            ]
            told = {"tokens": lock.tokens, "notes": notes, "socket": f"{folder}/unlock"}
            print(json.dumps(told), flush=True)
            heartbeats = Heartbeats(lock, lambda: order["what"])
            guard = Guard(lock, start_on, Display(None))
            run, orphans = order["run"]
            while not (ready := select.select([run, listener], [], [], HEARTBEAT)[0]):
                guard.renew(attempts=1)
            if run in ready:  # killed: what it has begun on machines goes on there
                select.select([orphans], [], [], ORPHANS)
                heartbeats.stop()
                lock.cut_off()
                return
            heartbeats.stop()
            caller, _ = listener.accept()
            lock.release()
            caller.close()
    except SiteError as error:
        where = f"{error.machine}: " if isinstance(error, LockError) else ""
        print(
            json.dumps(
                {"error": f"{where}{error}", "status": error.status, "detail": error.detail}
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
