"""Holds the lock over the site for a run of `site.yml`, in a process of its own.

`start` begins it: `python -m espalier.rollout.holder`, which takes the lock, tells so in one line,
and goes on sending heartbeats until it is told to end (SIGTERM: all is done) or the run has ended
without a word, as when it failed or was killed. Then the lock is free, and the machines remember
that something was cut off.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from espalier.inventory.site import Site, SiteError
from espalier.rollout.lock import HEARTBEAT, LockError, starting, take

WATCH = 0.5  # seconds between two looks whether the run is still there


def start(site: Site, by: str, *, parent: int) -> dict[str, Any]:
    """Take the lock over a site for as long as a process lives.

    Args:
        site: where, and how its machines are reached.
        by: who asks for it.
        parent: the process id of the run.

    Returns:
        `pid` of the process that holds it, `tokens` by machine, and `notes` for a person.

    Raises:
        SiteError: somebody else holds it (status 3), or a machine refuses it.
    """
    holder = subprocess.Popen(
        [sys.executable, "-m", "espalier.rollout.holder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert holder.stdin and holder.stdout
    with suppress(BrokenPipeError):
        holder.stdin.write(json.dumps({"site": site.to_json(), "by": by, "parent": parent}))
        holder.stdin.close()
    line = holder.stdout.readline()
    answer: dict[str, Any] = json.loads(line) if line else {}
    if "tokens" not in answer:
        sentence = answer.get("error", "the lock over the site cannot be taken.")
        raise SiteError(sentence, answer.get("status", 1), answer.get("detail", ""))
    return answer | {"pid": holder.pid}


def end(pid: int) -> None:
    """Tell the process that holds the lock that all is done."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def is_running(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main() -> None:
    """Hold the lock that standard input asks for."""
    order = json.load(sys.stdin)
    site = Site.from_json(order["site"])
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    try:
        with starting(site, "site.yml", order["by"]) as start_on:
            lock = take(site.app_machines, start_on, skip_unreachable=True)
            notes = [lock.note] if lock.note else []
            notes += [
                f"{name} does not answer, so it is not locked; nothing can be released there."
                for name in lock.unreachable
            ]
            print(json.dumps({"tokens": lock.tokens, "notes": notes}), flush=True)
            beaten = time.monotonic()
            while not ended and is_running(order["parent"]):
                time.sleep(WATCH)
                if time.monotonic() - beaten > HEARTBEAT:
                    lock.beat("site.yml")
                    beaten = time.monotonic()
            if ended:
                lock.release()
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
