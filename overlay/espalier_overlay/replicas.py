"""Which read replicas may be read from, as every process finds out for itself.

A replica is *fresh* if, at some moment within the allowed lag, it had replayed what the primary had
written at that moment. That is the honest yardstick: the time of the last replayed transaction
grows on an idle primary, and a replica that is cut off has replayed all that it received.
"""

import contextlib
import logging
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections

POLL = 0.25  # seconds between two questions to the same server
ANSWER_HOLDS = 1.0  # seconds; a server that has been silent for longer counts as down
CONNECT_TIMEOUT = 2  # seconds; libpq takes no less

PRIMARY_QUERY = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() - '0/0'::pg_lsn END"
)
REPLICA_QUERY = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn END"
)

logger = logging.getLogger("espalier.replicas")


class Answer(NamedTuple):
    """What a replica said."""

    asked: float  # monotonic seconds, taken before the question
    replayed: int | None  # bytes of WAL; None from a server that is no replica (any more)


class Lag:
    """What is known of the primary and its replicas. Pure: the clock is an argument."""

    def __init__(self, replicas: Iterable[str], max_lag: float) -> None:
        """Take the replicas' aliases, and the lag in seconds from which one is left out."""
        self.max_lag = max_lag
        self.replicas = tuple(replicas)
        self._answers: dict[str, Answer | None] = dict.fromkeys(self.replicas)
        # The primary's positions and, for each, the last moment at which it was known to be there.
        # Replaced as one: other threads read it.
        self._history: tuple[list[int], list[float]] = ([], [])

    def primary_said(self, asked: float, written: int) -> None:
        """Note how many bytes of WAL the primary had written when asked."""
        positions, moments = (list(part) for part in self._history)
        if positions and written < positions[-1]:
            # Another server, or one restored from a backup: the old positions mean nothing now.
            positions, moments = [], []
        if positions and positions[-1] == written:
            moments[-1] = asked
        else:
            positions.append(written)
            moments.append(asked)
        # One moment beyond the bound stays: a replica that has only that is too old anyway.
        keep = max(0, bisect_right(moments, asked - self.max_lag) - 1)
        self._history = (positions[keep:], moments[keep:])

    def replica_said(self, alias: str, answer: Answer | None) -> None:
        """Note a replica's answer; None for no answer."""
        self._answers[alias] = answer

    def fresh(self, now: float, position: int = 0) -> list[str]:
        """Return the replicas that answer, are fresh, and have replayed up to `position`."""
        return [
            alias
            for alias in self.replicas
            if not self.why_not(alias, now) and self._replayed(alias) >= position
        ]

    def why_not(self, alias: str, now: float) -> str:
        """Say why a replica is left out, "" if it is not."""
        answer = self._answers[alias]
        if answer is None or now - answer.asked > ANSWER_HOLDS:
            return "it does not answer"
        if answer.replayed is None:
            return "it is no replica any more"
        positions, moments = self._history
        if not positions:
            return "the primary has not been asked yet"
        known = bisect_right(positions, answer.replayed)
        # Measured up to the primary's last answer: while it is silent nothing new is known to be
        # written, and replicas that can still be read are better than none.
        if not known or moments[-1] - moments[known - 1] > self.max_lag:
            return f"it is more than {self.max_lag:g} s behind the primary"
        return ""

    def all_passed(self, position: int) -> bool:
        """Tell whether every replica, healthy or not, has replayed up to `position`."""
        return all(self._replayed(alias) >= position for alias in self.replicas)

    def _replayed(self, alias: str) -> int:
        answer = self._answers[alias]
        return -1 if answer is None or answer.replayed is None else answer.replayed


class Watch:
    """Keeps a `Lag` up to date, with one daemon thread and one connection per server.

    A thread per server, because the driver waits for an answer without a bound: a replica that
    hangs must not hide the others. Its last answer then ages, and that is enough.
    """

    def __init__(self, replicas: Sequence[str], max_lag: float) -> None:
        """Take the aliases; nothing runs before the first `start`."""
        self.lag = Lag(replicas, max_lag)
        self._lock = threading.Lock()
        self._pid = 0
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Start asking, if this process does not yet: threads do not survive a fork."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
        for alias in (DEFAULT_DB_ALIAS, *self.lag.replicas):
            threading.Thread(
                target=self._ask_for_ever, args=(alias,), name=f"espalier-{alias}", daemon=True
            ).start()

    def fresh(self, position: int = 0) -> list[str]:
        """Return the replicas that may be read from now."""
        return self.lag.fresh(time.monotonic(), position)

    def failed(self, alias: str) -> None:
        """Leave a replica out until it answers again: a request found it unusable."""
        self.lag.replica_said(alias, None)

    def _ask_for_ever(self, alias: str) -> None:
        connection: Any = None
        while True:
            asked = time.monotonic()
            try:
                if connection is None:
                    connection = _own_connection(alias)
                self._note(alias, asked, _ask(connection, alias))
            except Exception as error:  # whatever it is, the server cannot be used now
                logger.debug("%s: %s", alias, error)
                if alias != DEFAULT_DB_ALIAS:
                    self.lag.replica_said(alias, None)
                if connection is not None:
                    with contextlib.suppress(Exception):
                        connection.close()
                    connection = None
            if alias == DEFAULT_DB_ALIAS:
                self._tell()
            time.sleep(POLL)

    def _note(self, alias: str, asked: float, position: int | None) -> None:
        if alias != DEFAULT_DB_ALIAS:
            self.lag.replica_said(alias, Answer(asked, position))
        elif position is not None:
            self.lag.primary_said(asked, position)

    def _tell(self) -> None:
        """Log a line when a replica is left out or taken back, not one per question."""
        now = time.monotonic()
        for alias in self.lag.replicas:
            reason = self.lag.why_not(alias, now)
            if bool(reason) != bool(self._told.get(alias, "not yet")):
                if reason:
                    logger.warning("replica %s is left out: %s", alias, reason)
                else:
                    logger.info("replica %s is read from", alias)
            self._told[alias] = reason


def _own_connection(alias: str) -> Any:
    """Return a connection of the driver's, for this thread only, outside of any pool of Django's.

    Not Django's `connect`: its signal makes `django.contrib.postgres` open another connection.
    """
    wrapper = connections[alias].copy()
    options = {k: v for k, v in wrapper.settings_dict["OPTIONS"].items() if k != "pool"}
    # Another name than Django's own connections: these say nothing about where pages read.
    options.update(connect_timeout=CONNECT_TIMEOUT, application_name="espalier")
    wrapper.settings_dict["OPTIONS"] = options
    connection = wrapper.get_new_connection(wrapper.get_connection_params())
    connection.autocommit = True
    return connection


def _ask(connection: Any, alias: str) -> int | None:
    query = PRIMARY_QUERY if alias == DEFAULT_DB_ALIAS else REPLICA_QUERY
    with connection.cursor() as cursor:
        cursor.execute(query)
        position = cursor.fetchone()[0]
    return None if position is None else int(position)
