"""What one request takes, and where: the state that the measuring wrappers of a process share.

Sections are the parts of a request that wait for something else: the database, a connection to it,
the cache, or what is outside of the stack. A section inside of another one counts once, for itself:
a cache that is kept in the database takes database time.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

RUN_QUEUE = "/proc/thread-self/schedstat"


class Times:
    """Of one request; seconds where nothing else is said. Threads of one request share it.

    Attributes:
        app: since the request came, until its response was there.
        cpu: computing, of the thread that serves it. 0 where a thread serves several (ASGI).
        wait: that this thread was ready to run, and had no core. 0 under ASGI likewise.
        db: in the database's driver, without connecting.
        queries: how many statements; `writes`: how many of them change rows, or lock them.
        connects: connections to a database that were opened, and `connecting` what that took.
        cache: in the cache's client; `hits` and `misses` are keys that were asked for.
        outside: waiting for what is none of these: another server, or a program.
        sample: what the comment in each of its statements says; "" without one.
    """

    __slots__ = (
        "app",
        "cache",
        "connecting",
        "connects",
        "cpu",
        "db",
        "hits",
        "misses",
        "outside",
        "queries",
        "request",
        "sample",
        "wait",
        "writes",
    )

    def __init__(self, request: Any = None) -> None:
        """Begin with nothing; `request` is Django's."""
        self.app = self.cpu = self.wait = 0.0
        self.db = self.connecting = self.cache = self.outside = 0.0
        self.queries = self.writes = self.connects = self.hits = self.misses = 0
        self.request = request
        self.sample = ""


current: ContextVar[Times | None] = ContextVar("espalier_times", default=None)


class _Sections(threading.local):
    """Of one thread: in which kind of section it is, and what sections inside of that took."""

    kind = ""
    inner = 0.0


_sections = _Sections()


def is_within(kind: str) -> bool:
    """Tell whether this thread is in a section of that kind just now."""
    return _sections.kind == kind


def measure(times: Times, kind: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call, and add what it took, without sections inside of it, to that attribute of `times`."""
    sections = _sections
    kind_before, inner_before = sections.kind, sections.inner
    sections.kind, sections.inner = kind, 0.0
    begin = time.perf_counter()
    try:
        return call(*args, **kwargs)
    finally:
        took = time.perf_counter() - begin
        setattr(times, kind, getattr(times, kind) + took - sections.inner)
        sections.kind, sections.inner = kind_before, inner_before + took


class _RunQueue(threading.local):
    """The kernel's file about this thread, which is kept open: to open it takes longer."""

    def __init__(self) -> None:
        self.pid = 0
        self.file: Any = None


_run_queue = _RunQueue()


def run_queue_wait() -> float:
    """Return how long this thread has waited for a core since it began, in seconds; 0 if unknown.

    The second number of its `schedstat` (Documentation/scheduler/sched-stats.rst of Linux).
    """
    # A child's thread has the number of its parent's in the file that it was born with.
    if _run_queue.pid != os.getpid():
        _run_queue.pid, _run_queue.file = os.getpid(), None
        with contextlib.suppress(OSError):
            _run_queue.file = open(RUN_QUEUE, "rb", buffering=0)  # noqa: SIM115
    if _run_queue.file is None:
        return 0.0
    try:
        return int(os.pread(_run_queue.file.fileno(), 96, 0).split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
