"""Brings one table of a moment back, beside the live one: nothing that is there is changed.

The moment is restored into a cluster that is thrown away, on the primary, and the table is copied
from there under a name of its own, `shop_order_20261128_140300`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from espalier_machine.common.text import shown_size
from espalier_machine.database_backup import catalog, restore, sql, table_copy, throwaway
from espalier_machine.database_backup.catalog import Table
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.table_copy import Column
from espalier_machine.database_backup.target import Target

LONGEST = 63  # bytes of a name of PostgreSQL's
ROOM = 2.0  # times the size of the table: its rows, and their WAL


def plan(config: Config, said: Mapping[str, Any], live: str = sql.SOCKETS) -> dict[str, Any]:
    """Return what bringing a table back would do; what can be refused is refused here.

    Args:
        config: of the primary.
        said: `table` as a person writes it, and the moment as `restore.find` takes it.
        live: the socket's directory of the live cluster.

    Returns: the `target`; `new`, the name that the table gets; `backup_ended`.

    Raises:
        BackupError: the moment cannot be restored, this is no primary, the disk has too little
            room, or the name is taken.
    """
    check_primary(live)
    chosen, backup = restore.find(config, dict(said))
    if why := throwaway.too_small(backup.size, shutil.disk_usage(STATE).free):
        raise BackupError(f"There is no room to look for the table in the backup: {why}.")
    schema, _, name = said["table"].rpartition(".")
    new = new_name(name, chosen.time)
    tables = catalog.tables(config.database, live)
    if taken := [one for one in tables if one.name == new and schema in ("", one.schema)]:
        raise BackupError(
            f"{taken[0]} is there already: that table was brought back before. Look at it with "
            "`espalier psql`, or drop or rename it there, and run this again."
        )
    return {"target": chosen.as_json(), "new": new, "backup_ended": backup.ended}


def check_primary(live: str) -> None:
    """Raise BackupError where tables cannot be written here."""
    if not sql.is_primary(live):
        raise BackupError(
            "PostgreSQL on this machine is a replica, in which no table can be made: hosts.yml "
            "names another machine as the primary than PostgreSQL does."
        )


def new_name(name: str, moment: float) -> str:
    """Return the name of a table of a moment (Unix seconds), which it says in UTC."""
    end = f"_{datetime.fromtimestamp(moment, UTC):%Y%m%d_%H%M%S}"
    return name.encode()[: LONGEST - len(end)].decode(errors="ignore") + end


def bring(config: Config, said: Mapping[str, Any], live: str = sql.SOCKETS) -> dict[str, Any]:
    """Bring the table back; gives where it is, and what can be done with it.

    Args:
        config: of the primary.
        said: `table` as a person writes it, and the `target` of a plan.
        live: the socket's directory of the live cluster.

    Returns: `table` and `new` as `schema.table`, `rows`, and what `statements` returns.

    Raises:
        BackupError: the moment had no such table, or it cannot be copied. Nothing was changed.
    """
    check_primary(live)
    chosen = Target(**said["target"])
    with throwaway.restored(config, chosen, {}) as copy:
        table = find(config.database, said["table"], chosen, copy)
        new = Table(table.schema, new_name(table.name, chosen.time), {})
        check_room(config, table, copy)
        found = table_copy.columns(table.quoted, config.database, copy)
        comment = f"{table} {chosen.what}, by espalier restore --table"
        try:
            rows = table_copy.copy(table, new, found, comment, config.database, copy, live)
        except BackupError as error:
            raise BackupError(
                f"{table} cannot be copied into the live database: {error}. If it needs what the "
                "live database has no longer, bring that moment into another environment: "
                "`espalier clone --at`."
            ) from None
    now = table_copy.columns(table.quoted, config.database, live)
    old, made = (sql.readable(one.schema, one.name, host=live) for one in (table, new))
    return {
        "table": str(table),
        "new": str(new),
        "rows": rows,
        **statements(old, made, found, now),
    }


def find(database: str, name: str, chosen: Target, host: str) -> Table:
    """Return a table of a moment, as a person writes its name.

    Raises:
        BackupError: it was not there, with the name that comes near; or backups have no rows of it.
    """
    tables = catalog.tables(database, host)
    try:
        table = catalog.named(tables, name)
    except BackupError as error:
        raise BackupError(f"In the database {chosen.what}, {error}") from None
    place = sql.literal(table.quoted)
    kept = sql.one(
        f"SELECT relpersistence FROM pg_class WHERE oid = {place}::regclass", database, host
    )
    if kept == "u":
        raise BackupError(f"{table} is unlogged: no backup has rows of such a table.")
    return table


def check_room(config: Config, table: Table, host: str) -> None:
    """Raise BackupError where the disk of the live database has too little room for the table."""
    place = sql.literal(table.quoted)
    size = sql.one(
        f"SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size({place})) "
        f"FROM pg_partition_tree({place})",
        config.database,
        host,
    )
    needed, free = int(size) * ROOM + throwaway.LEFT, shutil.disk_usage(config.data).free
    if needed > free:
        raise BackupError(
            f"There is no room for {table} in the live database: with its WAL it needs "
            f"{shown_size(needed)} of disk, and {shown_size(free)} under {config.data} are free."
        )


def statements(
    table: str, new: str, found: Sequence[Column], live: Sequence[Column]
) -> dict[str, Any]:
    """Return what a person may want to run: `look`, `insert`, `drop`.

    `insert` brings rows back that the live table has no more. Beside it: `is_live`, whether there
    is a live table; `without`, the columns that it has no more.

    Args:
        table: the table of then, as SQL has it.
        new: the same of the one that was made.
        found: its columns.
        live: those of the live table; none where it is gone.
    """
    now = {column.name: column for column in live or found}
    both = [one.name for one in found if one.name in now and not now[one.name].is_generated]
    names = ", ".join(both)
    over = any(now[name].is_always_identity for name in both)
    overriding = " OVERRIDING SYSTEM VALUE" if over else ""
    return {
        "look": f"SELECT * FROM {new} LIMIT 10",
        "insert": f"INSERT INTO {table} ({names}){overriding} SELECT {names} FROM "
        f"{new} ON CONFLICT DO NOTHING",
        "drop": f"DROP TABLE {new}",
        "is_live": bool(live),
        "without": [one.name for one in found if one.name not in now],
    }
