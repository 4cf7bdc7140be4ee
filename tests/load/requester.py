"""A bounded background load: visitors who keep asking for pages and count what goes wrong.

It speaks only to the machine that the inventory at hand names, over keep-alive connections as
browsers hold them, and ends by itself.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

MAX_SECONDS = 300
MAX_REQUESTS = 50_000


class Requester:
    """Threads that ask a site for pages until told to stop."""

    def __init__(self, site: Any, paths: tuple[str, ...] = ("/",), threads: int = 3) -> None:
        """Ask ``site`` (with ``connection()`` and ``domain``) for ``paths`` in turn."""
        self.site, self.paths, self.threads = site, paths, threads
        self.sent, self.failures, self.slowest = 0, [], 0.0
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._running: list[threading.Thread] = []

    def __enter__(self) -> Requester:
        """Start asking."""
        self._deadline = time.monotonic() + MAX_SECONDS
        self._running = [
            threading.Thread(target=self._ask, daemon=True) for _ in range(self.threads)
        ]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop asking and wait for the last answers."""
        self._stop.set()
        for thread in self._running:
            thread.join(timeout=60)

    def verify(self) -> None:
        """Raise AssertionError unless requests were sent and each was answered well."""
        assert self.sent > 0, "no request was sent, so nothing was shown"
        assert not self.failures, f"{len(self.failures)} of {self.sent} failed: {self.failures[:5]}"

    def _ask(self) -> None:
        connection = self.site.connection()
        while not self._stop.is_set() and time.monotonic() < self._deadline:
            with self._lock:
                if self.sent >= MAX_REQUESTS:
                    return
                self.sent += 1
                path = self.paths[self.sent % len(self.paths)]
            began = time.monotonic()
            try:
                connection.request("GET", path, headers={"Host": self.site.domain})
                response = connection.getresponse()
                response.read()
                if response.status >= 400:
                    self._fail(f"{path}: {response.status}")
            except Exception as error:
                self._fail(f"{path}: {error!r}")
                connection.close()
                connection = self.site.connection()
            with self._lock:
                self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.01)

    def _fail(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)
