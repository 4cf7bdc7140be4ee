"""What statements took while it was recorded: differences of pg_stat_statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from espalier_machine.insight import mask
from espalier_machine.insight.protocol import Session, SessionError

TOP = 60
_PATIENCE = 10.0  # seconds
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b", re.IGNORECASE)
_CHANGES = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\b", re.IGNORECASE)
_READS = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)


class Totals(NamedTuple):
    """Of one statement since its counters began; seconds."""

    calls: int = 0
    seconds: float = 0.0
    rows: int = 0
    blocks_hit: int = 0
    blocks_read: int = 0
    read_seconds: float = 0.0

    def since(self, before: Totals) -> Totals:
        """The growth; all of it where the counters began anew meanwhile."""
        if self.calls < before.calls:
            return self
        return Totals(
            self.calls - before.calls,
            self.seconds - before.seconds,
            self.rows - before.rows,
            self.blocks_hit - before.blocks_hit,
            self.blocks_read - before.blocks_read,
            self.read_seconds - before.read_seconds,
        )


def extension(session: Session, name: str) -> tuple[str, tuple[int, ...]] | None:
    """The schema of an extension of this database, as SQL writes it, and its version."""
    answer = session.ask(
        "SELECT quote_ident(nspname), extversion FROM pg_extension "
        f"JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = '{name}'"
    )
    if not answer.rows:
        return None
    schema, version = answer.rows[0]
    return schema or "", tuple(int(part) for part in re.findall(r"\d+", version or ""))


def query(version: tuple[int, ...], schema: str) -> str:
    """Totals by statement of this database, without texts: those are read from a file of the disk.

    `version` is the extension's: 1.10 comes with PostgreSQL 15, 1.11 with 17, and a database that
    was upgraded keeps its own. Statements within functions are of those that call them. Those of
    the administrator, as whom this program asks, are not the site's.
    """
    read = "shared_blk_read_time" if version >= (1, 11) else "blk_read_time"
    top = "AND toplevel" if version >= (1, 9) else ""
    took = "total_exec_time" if version >= (1, 8) else "total_time"
    return f"""
SELECT queryid, sum(calls), sum({took}) / 1000, sum(rows), sum(shared_blks_hit),
       sum(shared_blks_read), sum({read}) / 1000
FROM {schema}.pg_stat_statements(false)
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) {top}
  AND queryid IS NOT NULL AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
GROUP BY queryid
"""


def totals(session: Session) -> dict[str, Totals]:
    """Statement's id -> its totals; SessionError where PostgreSQL does not tell them."""
    there = extension(session, "pg_stat_statements")
    if there is None:
        raise SessionError("the project's database has no extension pg_stat_statements")
    schema, version = there
    found = {}
    for row in session.ask(query(version, schema), _PATIENCE).rows:
        numbers = [float(value or 0) for value in row[1:]]
        calls, seconds, rows, hit, read, read_seconds = numbers
        found[row[0] or ""] = Totals(
            int(calls), seconds, int(rows), int(hit), int(read), read_seconds
        )
    return found


def grown(before: Mapping[str, Totals], after: Mapping[str, Totals]) -> dict[str, Totals]:
    """Those that took most of the time between two moments, longest first; at most TOP."""
    found = {one: now.since(before.get(one, Totals())) for one, now in after.items()}
    ordered = sorted(found.items(), key=lambda pair: -pair[1].seconds)
    return {one: took for one, took in ordered[:TOP] if took.calls}


def texts(session: Session, ids: list[str]) -> dict[str, str]:
    """The normalised texts, not masked yet."""
    there = extension(session, "pg_stat_statements")
    chosen = ",".join(str(int(one)) for one in ids)
    if not chosen or there is None:
        return {}
    answer = session.ask(
        f"SELECT DISTINCT ON (queryid) queryid, query FROM {there[0]}.pg_stat_statements(true) "
        f"WHERE queryid IN ({chosen})",
        _PATIENCE,
    )
    return {row[0] or "": row[1] or "" for row in answer.rows}


def is_read(text: str) -> bool:
    """Whether it is a SELECT that locks no rows and changes none."""
    bare = mask.statement(text)
    begins = _READS.match(bare)
    if not begins or _LOCKS.search(bare):
        return False
    return begins[1].upper() != "WITH" or not _CHANGES.search(bare)


def told(
    took: Mapping[str, Totals],
    found: Mapping[str, str],
    origins: Callable[[str], dict[str, int]],
    indexes: Mapping[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """A recording.Statement each."""
    return [
        {
            "id": one,
            "text": mask.statement(found.get(one, "")),
            "calls": total.calls,
            "seconds": total.seconds,
            "rows": total.rows,
            "blocks_hit": total.blocks_hit,
            "blocks_read": total.blocks_read,
            "read_seconds": total.read_seconds,
            "reads": is_read(found.get(one, "")),
            "origins": origins(one),
            "index": indexes.get(one),
        }
        for one, total in took.items()
    ]
