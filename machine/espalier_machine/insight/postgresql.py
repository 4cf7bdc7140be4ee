"""PostgreSQL, as long as it is recorded: one session that never keeps the recording waiting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from espalier_machine.insight.activity import BLOCKED, LOOK, Activity, Counters, counters_query
from espalier_machine.insight.protocol import Answer, Session, SessionError

AGAIN = 10.0  # seconds until a session that failed is tried again
DIRECTORY = Path("/run/postgresql")
_USER = "postgres"
# Nothing is changed by mistake, and nothing waits: not for a lock, and not for itself.
_SETTINGS = (
    "SET default_transaction_read_only = on; "
    "SET statement_timeout = '1s'; SET lock_timeout = '300ms'"
)
_SHOWN = (
    "max_connections",
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "max_wal_size",
    "synchronous_commit",
    "track_io_timing",
    "track_wal_io_timing",
    "random_page_cost",
    "max_parallel_workers_per_gather",
)


def port_of(directory: Path = DIRECTORY) -> int:
    """The port of the cluster: 5432 where it listens there, else the first that does."""
    ports = sorted(
        int(path.name.rpartition(".")[2])
        for path in directory.glob(".s.PGSQL.*")
        if path.name.rpartition(".")[2].isdigit()
    )
    return 5432 if 5432 in ports or not ports else ports[0]


def connect(database: str, directory: Path = DIRECTORY) -> Session:
    """A session as the superuser that the system user is; SessionError where that fails."""
    session = Session(directory, port_of(directory), _USER, database, _USER)
    try:
        session.ask(_SETTINGS)
    except SessionError:
        session.close()
        raise
    return session


class Postgresql:
    """Looks at one cluster, from the database `postgres`: its own commits are not counted."""

    def __init__(self, database: str, errors: list[str], directory: Path = DIRECTORY) -> None:
        """Connect; where that fails a sentence goes to `errors`, and it is tried again later."""
        self._database, self._directory, self._errors = database, directory, errors
        self.activity, self._counters = Activity(), Counters()
        self.version = 0
        self.settings: dict[str, Any] = {}
        self.session: Session | None = None
        self._failed = 0.0
        self._looks = 0
        self._is_asked = False
        self._connect()

    def _connect(self) -> None:
        try:
            self.session = connect("postgres", self._directory)
            shown = ",".join(f"current_setting('{name}', true)" for name in _SHOWN)
            answer = self.session.ask(f"SELECT current_setting('server_version_num'), {shown}")
        except SessionError as error:
            self._give_up(error)
            return
        first, *values = answer.rows[0]
        self.version = int(first or 0) // 10000
        self.settings = dict(zip(_SHOWN, values, strict=True))

    def _give_up(self, error: SessionError) -> None:
        if self.session:
            self.session.close()
        self.session = None
        self._failed = time.monotonic()
        self._is_asked = False
        sentence = f"PostgreSQL was not asked for a while: {error}."
        if sentence not in self._errors:
            self._errors.append(sentence)

    def look(self) -> None:
        """Ask what sessions do, unless an answer is still to come: ten times a second."""
        if self.session is None:
            if time.monotonic() - self._failed >= AGAIN:
                self._connect()
            return
        self._looks += 1
        try:
            self.session.check()
            if self.session.is_idle:
                self.session.send(LOOK, self._take_look)
        except SessionError as error:
            self._give_up(error)

    def _take_look(self, answer: Answer) -> None:
        if self.activity.look(answer) and self._looks % 2 == 0 and self.session:
            self.session.send(BLOCKED, self.activity.blocked)

    def ask_counters(self) -> None:
        """Ask for the counters: once a second, a moment before `second`."""
        if self.session and not self._is_asked:
            try:
                self.session.send(counters_query(self.version, self._database), self._take_counters)
                self._is_asked = True
            except SessionError as error:
                self._give_up(error)

    def _take_counters(self, answer: Answer) -> None:
        self._is_asked = False
        self._counters.take(answer)
        if answer.error and (sentence := f"PostgreSQL: {answer.error}.") not in self._errors:
            self._errors.append(sentence)

    def receive(self) -> None:
        """Take what has come."""
        if self.session:
            try:
                self.session.receive()
            except SessionError as error:
                self._give_up(error)

    def second(self, dt: float) -> dict[str, Any]:
        """`postgresql` and `replica_lag` of recording.Sample; nothing where nothing is known."""
        seen = self.activity.second()
        if seen is None:
            return {}
        return {"postgresql": seen | self._counters.second(dt), "replica_lag": self._counters.lag}

    def close(self) -> None:
        """End the session."""
        if self.session:
            self.session.close()
            self.session = None
