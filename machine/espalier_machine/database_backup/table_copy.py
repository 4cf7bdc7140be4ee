"""One table of a cluster, with its rows, as a new table of the live database.

Its columns keep their types, and it keeps its primary key. Whatever calls for something beside the
table does not come: defaults, foreign keys, checks, triggers, other indexes, partitions. So the new
table takes no name that is taken, and a generated column has the values that it had.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from espalier_machine.common.owner import OWNER, as_owner
from espalier_machine.database_backup import sql
from espalier_machine.database_backup.catalog import Table
from espalier_machine.database_backup.errors import BackupError

# Of a table and its key, in their order; none where there is no such table. Every type that is not
# PostgreSQL's own comes with its schema, as nothing is in the search path.
COLUMNS = """
SELECT jsonb_build_object(
  'name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod),
  'is_generated', a.attgenerated <> '', 'is_always_identity', a.attidentity = 'a',
  'key', coalesce(array_position(k.conkey, a.attnum), 0)
)
FROM pg_attribute a
LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
WHERE a.attrelid = to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
# Both sides write and read values in one form, whatever somebody has set for the database; nothing
# that the project has made is called in place of PostgreSQL's own; and it may take long.
SETTINGS = """
SET search_path = ''; SET client_encoding = 'UTF8'; SET client_min_messages = error;
SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3;
SET xmloption = 'content'; SET bytea_output = 'hex';
DO $$ BEGIN PERFORM set_config(name, '0', false) FROM pg_settings WHERE name IN
('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout');
END $$;
"""
PLACE = re.compile(r" at character \d+$")  # of a statement that nobody has seen
COPIED = re.compile(rb"^COPY (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: as SQL has it, quoted where that is needed.
        type: as SQL has it.
        is_generated: whether it is made of others, so that nobody may write it.
        is_always_identity: whether PostgreSQL numbers it, unless it is told to take a value.
        key: its place in the primary key, from 1 on; 0 outside of it.
    """

    name: str
    type: str
    is_generated: bool = False
    is_always_identity: bool = False
    key: int = 0


def columns(place: str, database: str, host: str = sql.SOCKETS) -> list[Column]:
    """Return the columns of a table; [] where it is not there.

    Args:
        place: the table, as SQL has it, with its schema.
        database: its name.
        host: the socket's directory of its cluster.
    """
    statement = f"SET search_path = ''; {COLUMNS.format(sql.literal(place))}"
    return [Column(**json.loads(row[0])) for row in sql.ask(statement, database, host)]


def copy(
    table: Table,
    new: Table,
    found: Sequence[Column],
    comment: str,
    database: str,
    source: str,
    to: str = sql.SOCKETS,
) -> int:
    """Copy a table into the same database of another cluster; gives how many rows it has.

    All of it is there at the end, or nothing.

    Args:
        table: the table.
        new: the one that is made, with its schema where that is missing. It belongs to the owner
            of the database.
        found: the columns of the table.
        comment: what the new one says of itself.
        database: the database's name.
        source: the socket's directory of the cluster with the table.
        to: that of the live one.

    Raises:
        BackupError: with PostgreSQL's own words.
    """
    names = ", ".join(column.name for column in found)
    owner = sql.one(
        "SELECT quote_ident(pg_get_userbyid(datdba)) FROM pg_database "
        "WHERE datname = current_database()",
        database,
        to,
    )
    # Values are read as the owner: a type of the project may have a check that is a function.
    before = f"""{SETTINGS}
    BEGIN;
    CREATE SCHEMA IF NOT EXISTS {sql.quoted(new.schema)} AUTHORIZATION {owner};
    CREATE TABLE {new.quoted} ({", ".join(f"{one.name} {one.type}" for one in found)});
    ALTER TABLE {new.quoted} OWNER TO {owner};
    COMMENT ON TABLE {new.quoted} IS {sql.literal(comment)};
    SET SESSION AUTHORIZATION {owner};
    COPY {new.quoted} FROM STDIN;
    """
    after = f"""\\.
    RESET SESSION AUTHORIZATION;
    {_key(new.quoted, found)}
    COMMIT;
    """
    read = ["-c", SETTINGS, "-c", f"COPY (SELECT {names} FROM {table.quoted}) TO STDOUT"]
    with (
        _psql(database, source, "-q", *read) as reader,
        _psql(database, to, "-f", "-") as writer,
    ):
        return _stream(reader, writer, before, after)


def _key(new: str, found: Sequence[Column]) -> str:
    """Return the statement for the primary key, "" where there is none."""
    key = sorted((column for column in found if column.key), key=lambda column: column.key)
    names = ", ".join(column.name for column in key)
    return f"ALTER TABLE {new} ADD PRIMARY KEY ({names});" if key else ""


def _stream(
    reader: subprocess.Popen[bytes], writer: subprocess.Popen[bytes], before: str, after: str
) -> int:
    """Send rows from one to the other; gives how many."""
    assert reader.stdout and reader.stderr and writer.stdin
    is_whole = False
    try:
        with suppress(BrokenPipeError):  # where the writer has ended, it says why
            writer.stdin.write(f"{before.strip()}\n".encode())
            shutil.copyfileobj(reader.stdout, writer.stdin)
            is_whole = reader.wait() == 0
            # Without the end there is no COMMIT: what was cut off is not kept.
            if is_whole:
                writer.stdin.write(after.encode())
        out, errors = writer.communicate()
    finally:
        for job in (writer, reader):  # of no effect on one that has ended
            job.kill()
    if writer.returncode:
        raise BackupError(_reason(errors))
    if not is_whole:
        raise BackupError(_reason(reader.stderr.read()))
    found = COPIED.search(out)
    assert found
    return int(found[1])


def _psql(database: str, host: str, *words: str) -> subprocess.Popen[bytes]:
    command = ["psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
    command += ["-h", host, "-U", OWNER, "-d", database, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, **as_owner())


def _reason(errors: bytes) -> str:
    """Return PostgreSQL's own words, in a line."""
    lines = errors.decode(errors="replace").strip().splitlines() or ["it does not say why"]
    return PLACE.sub("", lines[0].rpartition("ERROR:")[2].strip())
