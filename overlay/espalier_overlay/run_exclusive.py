"""Runs a command on one machine at a time, however many machines start it.

    python -m espalier_overlay.run_exclusive NAME -- celery -A shop beat

On PostgreSQL, an advisory lock of that name decides: whoever holds it runs the command, the others
wait. When the command's machine is lost, so is its lock, and another machine goes on. The lock is a
connection's; if that breaks, the command is ended, because another one may have begun. With any
other database there is only one machine, and the command just runs.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import django
from django.db import DEFAULT_DB_ALIAS, connections

from espalier_overlay.migrate import bypass_pooler, lock_key, scalar

POLL = 2.0  # seconds between two attempts, or two looks at the connection
GRACE = 600.0  # seconds that a command may take to end


def main(argv: Sequence[str] | None = None) -> int:
    """Wait for the turn, run the command, and return its exit status; 1 if the lock was lost."""
    parser = argparse.ArgumentParser(
        prog="python -m espalier_overlay.run_exclusive", description=__doc__.splitlines()[0]
    )
    parser.add_argument("name", help="what may run once only")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="after --")
    arguments = parser.parse_args(argv)
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("say what to run: … NAME -- COMMAND")
    bypass_pooler(os.environ)
    django.setup()
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":
        return _run(command, None)
    with connection.cursor() as cursor:
        told = False
        # The name that older releases lock: theirs and ours must not run at once.
        lock = lock_key(f"alone {arguments.name}")
        while not scalar(cursor, "SELECT pg_try_advisory_lock(%s)", [lock]):
            if not told:
                print(f"{arguments.name} runs on another machine; waiting", flush=True)
                told = True
            time.sleep(POLL)
        return _run(command, cursor)


def _run(command: Sequence[str], cursor: Any) -> int:
    """Run a command, with the signals that this process gets; end it when the lock is gone."""
    child = subprocess.Popen(command)

    def pass_on(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, pass_on)
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(POLL)
        try:
            if cursor is not None:
                scalar(cursor, "SELECT 1")
        except Exception as error:
            print(f"the lock may be somebody else's now, so this ends: {error}", file=sys.stderr)
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)
            child.kill()
            return 1


if __name__ == "__main__":
    sys.exit(main())
