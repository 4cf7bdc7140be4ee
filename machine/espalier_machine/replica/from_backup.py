"""Has `database-backup` fetch the newest backup for a replica, so that its primary is spared."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from pathlib import Path

from espalier_machine.common.forms import WRAPPERS
from espalier_machine.replica.cluster import Replica

COMMAND = Path(WRAPPERS) / "database-backup"  # is there where backups are on
SIGN_OF_LIFE = 5  # seconds


def fetch(replica: Replica) -> tuple[str, str]:
    """Fetch it into the staging directory; our slot keeps the WAL from its start on.

    Returns: which backup, for people, "" for none; and why none.

    Raises:
        ReplicaError: the primary does not answer.
    """
    if not COMMAND.exists():
        return "", ""
    replica.ask_primary(f"CREATE_REPLICATION_SLOT {replica.slot} PHYSICAL RESERVE_WAL")
    system, timeline, position = replica.ask_primary("IDENTIFY_SYSTEM")[:3]
    # The first one has no history.
    said = replica.ask_primary(f"TIMELINE_HISTORY {timeline}") if int(timeline) > 1 else []
    primary = {
        "system": system,
        "timeline": int(timeline),
        "history": "|".join(said[1:]),
        "position": position,
        "kept": replica.primary_slot()[1],
    }
    answer = _ask({"into": str(replica.staging), **primary})
    if not answer["ok"]:
        return "", str(answer["error"])
    ended = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(float(str(answer["ended"]))))
    return f"the backup of {ended}", ""


def _ask(wanted: dict[str, object]) -> dict[str, object]:
    """Run it; it ends when this process does: a sign of life follows all the time."""
    words = [str(COMMAND), "standby", "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as job:
        assert job.stdin and job.stdout and job.stderr
        said = json.dumps(wanted)
        while job.poll() is None:
            with contextlib.suppress(BrokenPipeError):  # it has just ended
                job.stdin.write(f"{said}\n")
                job.stdin.flush()
            said = ""
            with contextlib.suppress(subprocess.TimeoutExpired):
                job.wait(SIGN_OF_LIFE)
        out, errors = job.stdout.read(), job.stderr.read()
    try:
        found: dict[str, object] = json.loads(out)
    except ValueError:
        found = {"ok": False, "error": f"`{' '.join(words)}` failed: {errors.strip()}"}
    return found
