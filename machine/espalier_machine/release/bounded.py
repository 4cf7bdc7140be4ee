"""What runs inside a build's scope: starts the command, and reports what it has taken.

A scope's cgroup is gone with its last process, and its figures too; so somebody inside has to look.
The environment comes over a socket: as arguments all could read it, and as the environment of what
runs as root (`systemd-run`) it would let a release choose what root loads.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from espalier_machine.release.memory import taken

FIRST_VICTIM = "1000"  # of -1000 to 1000; man 5 proc, oom_score_adj


def main(number: int, argv: list[str]) -> int:
    """Run `argv`; the socket `number` gives its environment and takes the report, both in JSON.

    Returns its exit status, which is 128 and more where a signal ended it.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_VICTIM)
    # Where the kernel ends one process for want of memory, systemd (from 253 on, with version 2 of
    # cgroups) tells all to end: this one has to report what happened. Its child gets none of this.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with socket.socket(fileno=number) as control:
        control.set_inheritable(False)
        with control.makefile("rw") as stream:
            env = json.load(stream)
            try:
                code = subprocess.call(argv, env=env)
            except OSError as error:
                code = 127
                print(f"{error.filename}: {error.strerror}", file=sys.stderr)
            found = taken()
            json.dump({"peak": found.peak, "kills": found.kills}, stream)
    return code if code >= 0 else 128 - code
