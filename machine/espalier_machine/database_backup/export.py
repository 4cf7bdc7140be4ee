"""Dumps a moment of the site's database for another environment, anonymised if that is wanted.

It comes out of a backup, in a cluster that is thrown away: neither the live database nor the
archive is touched, and nothing leaves the machine that is not anonymised yet.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from espalier_machine.common.owner import OWNER, as_owner
from espalier_machine.database_backup import (
    anonymise,
    catalog,
    dump_file,
    restore,
    sql,
    throwaway,
)
from espalier_machine.database_backup.catalog import Column, Table
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.target import Target

# Times the size of the database: the dump, and rows that are written anew.
DUMP, ANONYMISED = 1.0, 1.0
SETTINGS: Mapping[str, str] = {
    # Triggers of the project do not run.
    "session_replication_role": "replica",
    "max_wal_size": "256MB",
}
# Who changes rows there. Not an administrator: that runs functions of the project, such as those of
# an index on an expression.
LOGIN = "espalier_export"
# What somebody has set for the database may be too little for all rows of a table.
UNLIMITED = "SET statement_timeout = 0; SET lock_timeout = 0;"


def export(config: Config, said: Mapping[str, Any]) -> dict[str, Any]:
    """Write the dump; gives where it is, and what is in it.

    Args:
        config: whose database.
        said: the moment as `restore.find` takes it; `anonymise`, table -> columns, if wanted.

    Returns: `path` and `bytes` of the dump, the `target`, the `moment` that the dump is of (Unix
    seconds), and the rows that were changed by table: `anonymised`, and `sessions`.

    Raises:
        BackupError: the moment cannot be restored, there is no room, or a column of `anonymise`
            cannot be blanked.
    """
    dump_file.remove_forgotten()
    wanted = said.get("anonymise") or {}
    found, backup = restore.find(config, dict(said))
    if wanted and found.kind == "default" and config.part != "repository":
        # The copy is asked again; but a typing error is told before a long restore.
        anonymise.chosen(catalog.tables(config.database), wanted)
    check_room(backup.size, wanted)
    file = dump_file.create()
    try:
        with throwaway.restored(config, found, SETTINGS) as host:
            moment = _moment(found, host)
            changed = change(config.database, wanted, host)
            _dump(config, host, file)
    except BaseException:
        file.unlink()
        raise
    size = file.stat().st_size
    return {
        "path": str(file),
        "bytes": size,
        "target": found.as_json(),
        "moment": moment,
        **changed,
    }


def _moment(found: Target, host: str) -> float:
    """Return the moment that a recovered cluster is of, in Unix seconds."""
    # Of all that there is: what came while the backup was fetched is in it, too.
    replayed = "SELECT extract(epoch FROM pg_last_xact_replay_timestamp())"
    newest = sql.one(replayed, host=host) if found.kind == "default" else ""
    return float(newest or found.time)


def check_room(size: int, wanted: Mapping[str, Any]) -> None:
    """Raise BackupError where the disk has too little room for the copy and the dump.

    Args:
        size: of the database, in bytes.
        wanted: what is anonymised.
    """
    room = throwaway.ROOM + DUMP + (ANONYMISED if wanted else 0)
    if why := throwaway.too_small(size, shutil.disk_usage(STATE).free, room):
        raise BackupError(f"There is no room for a dump out of the backup: {why}.")


def change(
    database: str, wanted: Mapping[str, Collection[str]], host: str
) -> dict[str, dict[str, int]]:
    """Blank columns, and empty sessions.

    Args:
        database: its name.
        wanted: table -> columns to blank.
        host: the socket's directory of a cluster that is thrown away.

    Returns: the rows by table, `anonymised` and `sessions`.

    Raises:
        BackupError: a column cannot be blanked.
    """
    tables = catalog.tables(database, host)
    chosen, ended = anonymise.chosen(tables, wanted), list(anonymise.sessions(tables))
    changed = [table for table, _ in [*chosen, *ended]]
    sql.ask(_login(database, {table.schema for table in tables}, changed), database, host)
    return {
        "anonymised": {
            str(table): _blank(database, host, table, columns) for table, columns in chosen
        },
        "sessions": {str(table): _end(database, host, table, end) for table, end in ended},
    }


def _login(database: str, schemas: Collection[str], changed: Collection[Table]) -> str:
    """Return the SQL that makes the login, which may change rows of some tables."""
    grants = [f"CONNECT ON DATABASE {sql.quoted(database)}"]
    grants += [f"USAGE ON SCHEMA {sql.quoted(schema)}" for schema in sorted(schemas)]
    grants += [f"SELECT, UPDATE, TRUNCATE ON {table.quoted}" for table in changed]
    made = [f"CREATE ROLE {LOGIN} LOGIN BYPASSRLS", *(f"GRANT {one} TO {LOGIN}" for one in grants)]
    return "; ".join(made)


def _blank(database: str, host: str, table: Table, columns: Sequence[Column]) -> int:
    """Blank columns of a table; gives how many rows it has."""
    try:
        emails = [
            column.name
            for column in columns
            if anonymise.is_text(column)
            and _ask(database, host, anonymise.looks_like_addresses(table, column)) == "t"
        ]
        return int(_ask(database, host, anonymise.statement(table, columns, emails)))
    except BackupError as error:
        names = ", ".join(column.name for column in columns)
        reason = str(error).rpartition("ERROR:")[2].strip()
        raise BackupError(f"{table} ({names}) cannot be anonymised: {reason}.") from None


def _end(database: str, host: str, table: Table, statement: str) -> int:
    """Empty a table of sessions; gives how many there were."""
    rows = _ask(database, host, f"SELECT count(*) FROM {table.quoted}")
    _ask(database, host, statement)
    return int(rows)


def _ask(database: str, host: str, statement: str) -> str:
    return sql.one(f"{UNLIMITED} {statement}", database, host, LOGIN)


def _dump(config: Config, host: str, path: Path) -> None:
    """Write the dump; owners and privileges are for whoever loads it to give.

    Raises:
        BackupError: with pg_dump's own words.
    """
    words = [str(config.bin / "pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
    words += ["-h", host, "-U", OWNER, "-d", config.database]
    with path.open("wb") as file:
        done = subprocess.run(words, stdout=file, stderr=subprocess.PIPE, text=True, **as_owner())
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it does not say why"]
        raise BackupError(f"The dump cannot be written: {lines[0]}", done.stderr)
