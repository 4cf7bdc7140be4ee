"""pgbouncer's own figures: its administration by the socket, as the user that it runs as."""

from __future__ import annotations

import time
from pathlib import Path

from espalier_machine.insight.files import Differences
from espalier_machine.insight.protocol import Answer, Session, SessionError

DIRECTORY = Path("/run/pgbouncer")
PORT = 6432
_AGAIN = 10.0  # seconds
_OWN = "pgbouncer"  # the database of its administration
_SYSTEM_USER = "postgres"  # as Debian's unit runs it
_POOLS = {
    "clients_active": "cl_active",
    "clients_waiting": "cl_waiting",
    "servers_active": "sv_active",
    "servers_idle": "sv_idle",
}
_STATS = {  # in microseconds, or counts
    "waited": ("total_wait_time", 1e6),
    "transaction_seconds": ("total_xact_time", 1e6),
    "transactions": ("total_xact_count", 1),
    "queries": ("total_query_count", 1),
}


def pools(answer: Answer) -> dict[str, float]:
    """Of SHOW POOLS, all databases but its own together; the longest wait in seconds."""
    found = dict.fromkeys((*_POOLS, "longest_wait"), 0.0)
    for row in answer.records():
        if row.get("database") == _OWN:
            continue
        for name, column in _POOLS.items():
            found[name] += float(row.get(column) or 0)
        waits = float(row.get("maxwait") or 0) + float(row.get("maxwait_us") or 0) / 1e6
        found["longest_wait"] = max(found["longest_wait"], waits)
    return found


def stats(answer: Answer) -> dict[str, float]:
    """Of SHOW STATS, totals since it began, in seconds or counts."""
    found = dict.fromkeys(_STATS, 0.0)
    for row in answer.records():
        if row.get("database") != _OWN:
            for name, (column, unit) in _STATS.items():
                found[name] += float(row.get(column) or 0) / unit
    return found


class Pgbouncer:
    """One session, which is opened again where it failed."""

    def __init__(self, errors: list[str], directory: Path = DIRECTORY, port: int = PORT) -> None:
        """Connect at the first question; what fails goes to `errors`."""
        self._errors, self._directory, self._port = errors, directory, port
        self.session: Session | None = None
        self._failed = -_AGAIN
        self._pools: dict[str, float] = {}
        self._stats: dict[str, float] = {}
        self._differences = Differences()

    def ask(self) -> None:
        """Ask for its figures, unless an answer is still to come: once a second."""
        if self.session is None and time.monotonic() - self._failed < _AGAIN:
            return
        try:
            if self.session is None:
                self.session = Session(self._directory, self._port, _OWN, _OWN, _SYSTEM_USER)
            self.session.check()
            # A first question waits until the session is ready; the server keeps their order.
            if self.session.is_idle or not self._pools:
                self.session.send("SHOW POOLS", self._take_pools)
                self.session.send("SHOW STATS", self._take_stats)
        except SessionError as error:
            self._give_up(error)

    def _take_pools(self, answer: Answer) -> None:
        if not answer.error:
            self._pools = pools(answer)

    def _take_stats(self, answer: Answer) -> None:
        if not answer.error:
            self._stats = stats(answer)

    def receive(self) -> None:
        """Take what has come."""
        if self.session:
            try:
                self.session.receive()
            except SessionError as error:
                self._give_up(error)

    def _give_up(self, error: SessionError) -> None:
        if self.session:
            self.session.close()
        self.session = None
        self._failed = time.monotonic()
        self._pools = {}
        if (sentence := f"pgbouncer was not asked for a while: {error}.") not in self._errors:
            self._errors.append(sentence)

    def second(self, dt: float) -> dict[str, float] | None:
        """recording.Pool since the last call; None where nothing is known."""
        if not self._pools or not self._stats:
            return None
        grown = self._differences(**self._stats)
        return self._pools | {name: value / dt for name, value in grown.items()}

    def close(self) -> None:
        """End the session."""
        if self.session:
            self.session.close()
            self.session = None
