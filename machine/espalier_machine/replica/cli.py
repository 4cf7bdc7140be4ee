"""Make this machine's PostgreSQL follow its primary, and say what that took.

    postgresql-replica follow 17            start it, or copy the primary where nothing else helps
    postgresql-replica follow 17 --check    only say what it would do

Where the primary is, and which slot is ours, stands in PostgreSQL's own configuration. The answer
is one line of JSON: ``{"changed": bool, "did": str}``. A copy that can follow no longer is set
aside under a dated name, never deleted. A failure is a sentence on standard error, and status 1.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espalier_machine.common import installed
from espalier_machine.replica.cluster import Replica
from espalier_machine.replica.errors import ReplicaError
from espalier_machine.replica.follow import follow

# In a directory that is root's alone: in /run/lock anybody could make, or lock, such a file.
LOCK = Path("/run/espalier/postgresql-replica.lock")


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of this command; waits for whoever holds it."""
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.parent.chmod(0o755)  # whatever the umask
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="postgresql-replica", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("action", choices=["follow"])
    parser.add_argument("version", help="PostgreSQL's major version, such as 17")
    parser.add_argument("--check", action="store_true", help="only say what would be done")
    arguments = parser.parse_args()
    installed.mark_in_use()
    # Two runs at once would copy into the same directory: the second one waits for the first.
    with locked():
        try:
            answer = json.dumps(follow(Replica(arguments.version), arguments.check))
        except ReplicaError as error:
            print(error, file=sys.stderr)
            return 1
        if not arguments.check:
            installed.remove_unused("postgresql-replica")
    print(answer)
    return 0
