"""The site's own database: a new one is filled beside it, and takes its name when it is whole.

The database that was there is renamed, and never dropped.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from espalier_machine.importing import archive
from espalier_machine.importing.errors import ImportingError
from espalier_machine.importing.postgresql import (
    COUNT,
    MEMBERS,
    counts,
    extension_tables,
    literal,
    psql,
    quoted,
    run,
    server,
)
from espalier_machine.importing.sql import extension_of

# What each run of `site.yml` wants to find in the site's database.
KIT_EXTENSION = "pg_stat_statements"
KIT_SCHEMA = "espalier_pooler"
AVAILABLE = "SELECT name FROM pg_available_extensions ORDER BY 1"
# What somebody has set for the database, or for a role in it; both belong to its number.
COPY_SETTINGS = """
DO $$ DECLARE one record; setting text; BEGIN
  FOR one IN
    SELECT r.rolname, unnest(s.setconfig) AS pair
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE d.datname = {old}
  LOOP
    setting := split_part(one.pair, '=', 1);
    PERFORM set_config(setting, substr(one.pair, length(setting) + 2), true);
    EXECUTE CASE WHEN one.rolname IS NULL
      THEN format('ALTER DATABASE %I SET %s FROM CURRENT', {new}, setting)
      ELSE format('ALTER ROLE %I IN DATABASE %I SET %s FROM CURRENT', one.rolname, {new}, setting)
    END;
  END LOOP;
END $$
"""
# What a dump has for the tables of an extension is loaded by the owner too.
FILL_EXTENSIONS = f"""
SELECT DISTINCT format('{{0}} USAGE ON SCHEMA %I {{1}}', schema) FROM ({MEMBERS}) members
WHERE pg_get_userbyid(owner) <> {{2}} AND schema <> 'pg_catalog' \\gexec
SELECT format('{{0}} %s %I.%I {{1}}', privilege, schema, name)
FROM (SELECT *, CASE kind WHEN 'S' THEN 'UPDATE ON SEQUENCE' ELSE 'INSERT ON' END AS privilege
  FROM ({MEMBERS}) members) members \\gexec
"""
TERMINATE = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = {} AND pid <> pg_backend_pid();
"""


def look(folder: Path, database: str) -> dict[str, Any]:
    """What is there: version, extensions that can be had, rows by table, free bytes."""
    return {
        "version": server(folder, database),
        "extensions": [row[0] for row in psql(folder, "postgres", AVAILABLE, "the database")],
        "rows": counts(psql(folder, database, COUNT, "the rows of the site cannot be counted")),
        "free": shutil.disk_usage(folder).free,
    }


def load(
    folder: Path, *, kind: str, owner: str, database: str, extensions: list[str]
) -> dict[str, Any]:
    """Make a new database, and load the dump of the import's directory into it.

    Args:
        folder: the import's directory, with `dump` and what `inspect` wrote.
        kind: `custom` or `sql`.
        owner: the role that everything is to belong to: it has the project's name, and so has the
            database whose place the new one is to take.
        database: the name of the new one.
        extensions: statements that make them, which only a superuser may.

    Returns:
        `rows`, by table, without those of extensions; and the names of these, `of_extensions`.
    """
    drop(folder, database)  # of an import that was cut off
    create = f"CREATE DATABASE {quoted(database)} OWNER {quoted(owner)} TEMPLATE template0"
    psql(folder, "postgres", f"{create} ENCODING 'UTF8'", "the new database cannot be made")
    statements = [f"CREATE EXTENSION IF NOT EXISTS {KIT_EXTENSION};"]
    for statement in extensions:
        extension = extension_of(statement)
        assert extension
        schema = extension["schema"]
        if schema not in ("", "public", "pg_catalog"):
            # Its entry in the dump is left out, or finds it there.
            statements.append(
                f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)} AUTHORIZATION {quoted(owner)};"
            )
            _leave_out(folder / "list", f"SCHEMA - {schema} ")
        if extension["name"] != KIT_EXTENSION:
            statements.append(statement)
    psql(folder, database, "\n".join(statements), "an extension cannot be made")
    may_not = "the extensions cannot be filled"
    fill = FILL_EXTENSIONS.format("GRANT", f"TO {quoted(owner)}", literal(owner))
    psql(folder, database, fill, may_not)
    if kind == "custom":
        archive.load(folder, "dump", owner, database, jobs=min(os.cpu_count() or 1, 4))
    else:
        script = f"SET ROLE {quoted(owner)};\n\\i clean.sql\n"
        argv = ["psql", "-Xq", "-1", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-d", database]
        run(folder, argv, "the dump cannot be loaded", script)
    fill = FILL_EXTENSIONS.format("REVOKE", f"FROM {quoted(owner)}", literal(owner))
    psql(folder, database, fill, may_not)
    _copy_kit_schema(folder, owner, database)
    settings = COPY_SETTINGS.format(old=literal(owner), new=literal(database))
    psql(folder, "postgres", settings, "the database's settings cannot be copied")
    psql(folder, database, "ANALYZE", "the new database cannot be analysed")
    return {
        "rows": counts(psql(folder, database, COUNT, "the rows cannot be counted")),
        "of_extensions": extension_tables(folder, database),
    }


def swap(folder: Path, *, database: str, new: str, aside: str) -> dict[str, Any]:
    """Give the new database the name of the site's, which is set aside under another one.

    Connections to the site's are ended, and none begins in between.
    """
    script = f"""
ALTER DATABASE {quoted(database)} ALLOW_CONNECTIONS false;
{TERMINATE.format(literal(database))}
{TERMINATE.format(literal(new))}
BEGIN;
ALTER DATABASE {quoted(database)} RENAME TO {quoted(aside)};
ALTER DATABASE {quoted(new)} RENAME TO {quoted(database)};
COMMIT;
ALTER DATABASE {quoted(aside)} ALLOW_CONNECTIONS true;
"""
    try:
        psql(folder, "postgres", script, "the databases cannot be renamed")
    except ImportingError:
        for name in (database, aside):  # whichever it is called now
            allow = f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS true"
            exists = f"SELECT 1 FROM pg_database WHERE datname = {literal(name)}"
            if psql(folder, "postgres", exists, "the databases"):
                psql(folder, "postgres", allow, "the databases")
        raise
    return {}


def drop(folder: Path, database: str) -> dict[str, Any]:
    """Drop a database that an import has filled, and that never had the site's name."""
    script = f"DROP DATABASE IF EXISTS {quoted(database)} WITH (FORCE)"
    psql(folder, "postgres", script, "the new database cannot be dropped")
    return {}


def _copy_kit_schema(folder: Path, owner: str, database: str) -> None:
    """Copy what the kit keeps in the site's database for a connection pool, if there is one."""
    there = f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(KIT_SCHEMA)}"
    if psql(folder, owner, there, "the site's database cannot be asked"):
        argv = ["pg_dump", f"--schema={KIT_SCHEMA}", "--dbname", owner]
        script = run(folder, argv, "the pool's function cannot be copied")
        psql(folder, database, script, "the pool's function cannot be copied")


def _leave_out(listing: Path, what: str) -> None:
    if listing.exists():
        lines = listing.read_text().splitlines(keepends=True)
        listing.write_text("".join(line for line in lines if f" {what}" not in line))
