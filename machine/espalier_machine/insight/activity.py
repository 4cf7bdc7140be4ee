"""What PostgreSQL's sessions do, looked at ten times a second, and its counters once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from espalier_machine.insight import mask
from espalier_machine.insight.files import Differences
from espalier_machine.insight.protocol import Answer, Row

# Without the joins of pg_stat_activity, which nobody needs here.
LOOK = """
WITH a AS MATERIALIZED (
  SELECT pid, state, wait_event_type, wait_event, query_id,
         CASE WHEN query LIKE '%/* espalier %'
              THEN substring(query from '/\\* espalier ([^*]*)\\*/') END AS origin
  FROM pg_stat_get_activity(NULL)
  WHERE backend_type = 'client backend' AND application_name <> 'espalier-insight')
SELECT count(*)::text, count(*) FILTER (WHERE state LIKE 'idle in transaction%')::text, NULL, NULL
FROM a
UNION ALL
SELECT pid::text, CASE WHEN wait_event_type IS NULL THEN 'CPU'
                       ELSE wait_event_type || ':' || wait_event END, query_id::text, origin
FROM a WHERE state = 'active'
"""
# Whom some of those wait for who wait for a lock: that a few are enough, as locks queue.
BLOCKED = """
SELECT w.pid::text, b.pid::text, a.query
FROM (SELECT pid FROM pg_stat_get_activity(NULL) WHERE wait_event_type = 'Lock' LIMIT 20) w,
     LATERAL unnest(pg_blocking_pids(w.pid)) AS b(pid)
     LEFT JOIN pg_stat_get_activity(NULL) a ON a.pid = b.pid
"""


def counters_query(version: int, database: str) -> str:
    """One row of counters of a PostgreSQL of this major version, and its delay as a replica.

    Before 14 nothing tells of sessions and of WAL; from 18 on pg_stat_io tells of WAL's files.
    """
    name = database.replace("'", "''")
    sessions = "sessions" if version >= 14 else "0"
    wal, syncs, seconds = "0", "0", "NULL::float"
    if version >= 14:
        wal = "(SELECT wal_bytes FROM pg_stat_wal)"
        timed = "current_setting('track_wal_io_timing')::bool"
        syncs = "(SELECT wal_sync FROM pg_stat_wal)"
        seconds = f"CASE WHEN {timed} THEN (SELECT wal_sync_time FROM pg_stat_wal) END"
        if version >= 18:
            of_wal = "FROM pg_stat_io WHERE object = 'wal'"
            syncs = f"(SELECT sum(fsyncs) {of_wal})"
            seconds = f"CASE WHEN {timed} THEN (SELECT sum(fsync_time) {of_wal}) END"
    return f"""
SELECT xact_commit AS commits, xact_rollback AS rollbacks, blks_hit AS blocks_hit,
       blks_read AS blocks_read, blk_read_time / 1000 AS read_seconds,
       blk_write_time / 1000 AS write_seconds, tup_returned AS rows_read,
       tup_inserted + tup_updated + tup_deleted AS rows_written, {sessions} AS sessions,
       deadlocks, {wal} / 1048576.0 AS wal_mb, {syncs} AS wal_syncs,
       {seconds} / 1000 AS sync_seconds,
       CASE WHEN NOT pg_is_in_recovery()
            THEN (SELECT extract(epoch FROM max(replay_lag)) FROM pg_stat_replication)
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END AS lag
FROM pg_stat_database WHERE datname = '{name}'
"""


class Activity:
    """The looks of one second, and what is kept of all: where statements come from."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._looks = 0
        self._connections = 0
        self._idle = 0
        self._waits: Counter[str] = Counter()
        self._blocked: Counter[str] = Counter()
        self._blocked_looks = 0
        self._seen: dict[str, dict[str, set[str]]] = {}

    def look(self, answer: Answer) -> bool:
        """Count one look; says whether somebody waits for a lock."""
        if answer.error or not answer.rows:
            return False
        self._looks += 1
        self._connections += int(answer.rows[0][0] or 0)
        self._idle += int(answer.rows[0][1] or 0)
        for _, wait, statement, origin in answer.rows[1:]:
            self._waits[wait or "CPU"] += 1
            if statement and origin:
                self._remember(statement, origin)
        return any((row[1] or "").startswith("Lock:") for row in answer.rows[1:])

    def _remember(self, statement: str, comment: str) -> None:
        words = dict(word.partition("=")[::2] for word in comment.split())
        if not words.get("at"):  # no line of the project is in it
            return
        origin = f"{words.get('view', '') or '?'} at {words['at']}"[:200]
        origins = self._seen.setdefault(statement, {})
        requests = origins.setdefault(origin, set()) if len(origins) < 20 else set()
        if len(requests) < 1000:
            requests.add(words.get("request", "")[:16])

    def blocked(self, answer: Answer) -> None:
        """Count who waits for whom; a session that waits itself passes it on to whom it waits."""
        if answer.error:
            return
        self._blocked_looks += 1
        self._blocked.update(roots(answer.rows))

    def origins(self, statement: str) -> dict[str, int]:
        """Of a statement's id: "view at file:line" -> requests seen in it."""
        return {origin: len(found) for origin, found in self._seen.get(statement, {}).items()}

    def second(self) -> dict[str, Any] | None:
        """The means of the looks since the last call; None where there was none."""
        looks = self._looks
        if not looks:
            return None
        blocked = {s: n / self._blocked_looks for s, n in self._blocked.most_common(5)}
        found = {
            "active": sum(self._waits.values()) / looks,
            "waits": {name: count / looks for name, count in self._waits.items()},
            "connections": self._connections / looks,
            "idle_in_transaction": self._idle / looks,
            "blocked_by": blocked,
        }
        self._looks = self._connections = self._idle = self._blocked_looks = 0
        self._waits.clear()
        self._blocked.clear()
        return found


def roots(rows: Iterable[Row]) -> Counter[str]:
    """From waiter, blocker and the blocker's statement: statement without literals -> waiters."""
    blockers: dict[str, str] = {}
    statements: dict[str, str] = {}
    for waiter, blocker, text in rows:
        if waiter and blocker:
            blockers.setdefault(waiter, blocker)
            statements[blocker] = text or ""
    found: Counter[str] = Counter()
    for waiter in blockers:
        at, passed = waiter, {waiter}
        while at in blockers and blockers[at] not in passed:
            at = blockers[at]
            passed.add(at)
        found[mask.statement(statements.get(at, ""))[:500] or "?"] += 1
    return found


class Counters:
    """Rates of the counters, and the delay."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._differences = Differences()
        self.lag: float | None = None
        self._totals: dict[str, float] = {}
        self._is_timed = False

    def take(self, answer: Answer) -> None:
        """Take one row."""
        if answer.error or not answer.rows:
            return
        found = {name: float(value) for name, value in answer.records()[0].items() if value}
        self.lag = found.pop("lag", None)
        self._is_timed = "sync_seconds" in found
        self._totals |= found

    def second(self, dt: float) -> dict[str, float | None]:
        """Growth per second since the last call."""
        grown = self._differences(**self._totals)
        rates: dict[str, float | None] = {name: value / dt for name, value in grown.items()}
        if not self._is_timed:
            rates.pop("sync_seconds", None)
        return rates
