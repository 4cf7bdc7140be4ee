"""Child processes: their priority, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BUILD_NICE = 10  # of 19; a tenth of the weight of what serves requests (man 7 sched)


def set_nice(pid: int, nice: int) -> None:
    """Set the priority of a process: 0 is the usual one, 19 the lowest.

    Linux weighs sessions against each other where it groups by them, as it does on Debian, and else
    processes (man 7 sched, the autogroup feature); so it is set for both.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextmanager
def low_priority() -> Iterator[None]:
    """What is started in the block gets the processor time that requests leave."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    set_nice(os.getpid(), BUILD_NICE)
    try:
        yield
    finally:
        set_nice(os.getpid(), before)


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process and its children: politely, after 10 s for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
