"""How many rows each table has: in a copy, in the site, and as the primary wrote it down.

A machine that only keeps the copies has no database of the site to compare one with. So the primary
counts each night, just before the drill, and keeps what it counted in the cluster itself, beside
the site's database: it comes back with every copy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from espalier_machine.common.owner import OWNER, run
from espalier_machine.common.text import counted
from espalier_machine.database_backup import sql
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError

# Tables with rows of somebody, and their bytes: not PostgreSQL's, not those of extensions.
TABLES = """
SELECT n.nspname, c.relname, coalesce(pg_relation_size(c.oid), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
# Of a table of the site so many bytes are read at most, here and there: visitors come first. They
# are 25,600 pages, whose sample errs by 2 % even where nine of ten pages are empty.
SAMPLE = 200 * 2**20
# Rows that a table of the site may have more, or fewer, than its copy: it goes on meanwhile.
DRIFT, FEW = 0.1, 1000
# What was counted longer ago than this says nothing about a copy.
FRESH = 3 * 3600  # seconds
# In the database `postgres`, which is no site's: a dump of the site's own does not have it.
TABLE = "espalier_rows"


@dataclass(frozen=True)
class Counted:
    """The site's rows by table, and when they were counted (Unix seconds; 0 for never)."""

    at: float
    rows: Mapping[str, int]


NONE = Counted(0, {})


def count(database: str, host: str = sql.SOCKETS, sample: int = 0) -> dict[str, int]:
    """Return the rows of each table, as `schema.table`, counted one by one.

    Args:
        database: its name.
        host: the directory of PostgreSQL's socket.
        sample: bytes that are read of each table at most, and stand for the rest; 0 for all of it.

    Raises:
        BackupError: PostgreSQL does not answer, or a table cannot be read.
    """
    found = {}
    for schema, table, size in sql.ask(TABLES, database, host):
        share = min(1.0, sample / max(1, int(size))) if sample else 1.0
        part = f" TABLESAMPLE SYSTEM ({share * 100:.6f})" if share < 1 else ""
        statement = f"SELECT count(*) FROM ONLY {sql.quoted(schema, table)}{part}"
        found[f"{schema}.{table}"] = round(int(sql.one(statement, database, host)) / share)
    return found


def of_site(config: Config, copy: str, now: float) -> Counted:
    """Return the site's rows, which a copy of it is compared with; NONE where nobody has any.

    Args:
        config: this machine's part: with a database of the site, that is asked.
        copy: the directory of the socket of the copy, which has what the primary wrote down.
        now: when the drill began (Unix seconds).

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    if config.part != "repository":
        return Counted(time.time(), count(config.database, sample=SAMPLE))
    found = written(copy)
    return found if now - found.at <= FRESH else NONE


def compare(copy: Mapping[str, int], live: Mapping[str, int]) -> list[str]:
    """Return the tables whose rows differ by more than the site can have written meanwhile."""
    found = []
    for table, rows in live.items():
        there = copy.get(table)
        if there is None:
            found.append(f"{table} is not there")
        elif abs(rows - there) > max(FEW, rows * DRIFT):
            found.append(f"{table} has {counted(there, 'row')}, and {rows} live")
    return found


def write(config: Config, host: str = sql.SOCKETS) -> dict[str, Any]:
    """Count the site's rows, and write that down in the cluster, in one transaction.

    Args:
        config: whose database.
        host: the directory of PostgreSQL's socket.

    Returns: how many `tables` and `rows` there are.

    Raises:
        BackupError: this is no primary, or PostgreSQL does not answer.
    """
    began = time.time()
    rows = count(config.database, host, SAMPLE)
    lines = "".join(f"{_escaped(table)}\t{number}\t{began}\n" for table, number in rows.items())
    file = STATE / "rows.sql"
    file.write_text(
        f"CREATE TABLE IF NOT EXISTS {TABLE} (of_table text, rows bigint, counted float8);\n"
        f"DELETE FROM {TABLE};\nCOPY {TABLE} FROM stdin;\n{lines}\\.\n"
    )
    file.chmod(0o644)  # in a directory that only PostgreSQL's user and root enter
    words = ["psql", "-Xq", "-1", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
    words += ["-h", host, "-U", OWNER, "-d", "postgres", "-f", str(file)]
    done = run(*words, check=False)
    if done.returncode:
        raise BackupError(f"The rows cannot be written down: {done.stderr.strip()}")
    return {"tables": len(rows), "rows": sum(rows.values())}


def written(host: str = sql.SOCKETS) -> Counted:
    """Return what the primary wrote down last, as a cluster has it; NONE for nothing.

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    if sql.one(f"SELECT to_regclass('{TABLE}') IS NOT NULL", host=host) != "t":
        return NONE
    found = sql.ask(f"SELECT of_table, rows, counted FROM {TABLE}", host=host)
    return Counted(
        min((float(at) for _, _, at in found), default=0), {t: int(n) for t, n, _ in found}
    )


def _escaped(name: str) -> str:
    """Return a name as COPY has it."""
    for char, written_so in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        name = name.replace(char, written_so)
    return name
