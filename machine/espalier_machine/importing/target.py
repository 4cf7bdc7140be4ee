"""The site's own database: a new one is filled beside it, and takes its name when it is whole.

The database that was there is renamed, and never dropped.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from espalier_machine.importing import archive
from espalier_machine.importing.archive import KIT_SCHEMA
from espalier_machine.importing.errors import ImportingError
from espalier_machine.importing.postgresql import (
    COUNT,
    MEMBERS,
    connection,
    counts,
    extension_tables,
    literal,
    psql,
    quoted,
    run,
    server,
)

# Who loads a dump: a login that may make things in the new database, and nothing else, as a dump
# may have any SQL in it. pg_hba.conf lets it into that one only; it is there only while a dump is
# loaded.
LOADER = "espalier_import"
# What each run of `site.yml` wants to find in the site's database.
KIT_EXTENSION = "pg_stat_statements"
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


MAY_LOG_IN = f"""
SELECT 1 FROM pg_hba_file_rules
WHERE type = 'local' AND database @> ARRAY[{{}}] AND user_name @> ARRAY['{LOADER}']
"""
# By what an import knows a database as its own, and may drop it; the login is made before it.
MARK = "loaded by espalier import"
IS_ANOTHER_S = f"""
SELECT 1 FROM pg_database WHERE datname = {{}}
AND shobj_description(oid, 'pg_database') IS DISTINCT FROM '{MARK}'
AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{LOADER}')
"""
# While a password is set, its statement is in no log, and not among those that are counted.
UNLOGGED = """
SET log_statement = none; SET log_min_duration_statement = -1; SET log_min_error_statement = panic;
SET pg_stat_statements.track = none;
"""


def look(folder: Path, database: str, new: str, rows: bool) -> dict[str, Any]:
    """What is there: version, extensions that can be had, free bytes; rows by table, if wanted.

    A dump counts them, as no query of a superuser's is safe where a project may have put functions:
    the planner runs those of an index on an expression.

    Raises:
        ImportingError: the database `new` could not be loaded, or is there and no import's.
    """
    if not psql(folder, "postgres", MAY_LOG_IN.format(literal(new)), "the database"):
        raise ImportingError(
            "PostgreSQL was set up by an earlier version of the kit, and lets nobody load a "
            "dump. Run `espalier site` first."
        )
    if psql(folder, "postgres", IS_ANOTHER_S.format(literal(new)), "the database"):
        raise ImportingError(
            f"PostgreSQL has a database {new} already, which this version of `espalier import` has "
            f"not made, and an import would drop it. Give it another name: ALTER DATABASE {new} "
            f"RENAME TO {new}_kept; or drop it."
        )
    argv = ["pg_dump", "--data-only", f"--dbname={connection(database)}"]
    return {
        "version": server(folder, database),
        "extensions": [row[0] for row in psql(folder, "postgres", AVAILABLE, "the database")],
        "rows": archive.rows_of(folder, argv, "the site's rows cannot be counted") if rows else {},
        "free": shutil.disk_usage(folder).free,
    }


def require_restrict(folder: Path) -> None:
    r"""Refuse a dump as SQL where psql does not know `\\restrict`.

    A dump is not trusted, and psql would run any program for it (CVE-2025-8714).
    """
    try:
        psql(folder, "postgres", "\\restrict x\n\\unrestrict x\n", "psql")
    except ImportingError as error:
        version = run(folder, ["psql", "--version"], "psql").split()[2]
        raise ImportingError(
            f"psql {version} on this machine does not know \\restrict, so that a dump as SQL could "
            "run any program here. Install its newest version (`apt-get install --only-upgrade "
            f"postgresql-client-{version.partition('.')[0]}`), or make a dump in the custom format "
            "(`pg_dump --format=custom`).",
            error.detail,
        ) from None


def load(
    folder: Path, *, kind: str, owner: str, database: str, extensions: list[dict[str, str]]
) -> dict[str, Any]:
    """Make a new database, and load the dump of the import's directory into it.

    Args:
        folder: the import's directory, with `dump` and what `inspect` wrote.
        kind: `custom` or `sql`.
        owner: the role that everything is to belong to: it has the project's name, and so has the
            database whose place the new one is to take.
        database: the name of the new one.
        extensions: the `name` and `schema` of each, which only a superuser may make.

    Returns:
        `rows`, by table, without those of extensions; and the names of these, `of_extensions`.

    Raises:
        ImportingError: it failed, and nothing of it is left.
    """
    drop(folder, database)  # of an import that was cut off
    try:
        login = _create(folder, database)
        _make_extensions(folder, database, extensions)
        rows = _load(folder, kind, database, login)
        _hand_over(folder, owner, database)
    except BaseException:
        with suppress(ImportingError):
            drop(folder, database)
        raise
    return {"rows": rows, "of_extensions": extension_tables(folder, database)}


def _create(folder: Path, database: str) -> dict[str, str]:
    """Make the new database and its login; gives the variables with which it logs in."""
    password = secrets.token_urlsafe(32)
    script = f"""{UNLOGGED}
CREATE ROLE {LOADER} LOGIN BYPASSRLS PASSWORD {literal(password)};
CREATE DATABASE {quoted(database)} TEMPLATE template0 ENCODING 'UTF8';
COMMENT ON DATABASE {quoted(database)} IS {literal(MARK)};
GRANT CREATE ON DATABASE {quoted(database)} TO {LOADER};
"""
    may_not = "the new database cannot be made"
    psql(folder, "postgres", script, may_not)
    psql(folder, database, f"GRANT CREATE ON SCHEMA public TO {LOADER}", may_not)
    return {"PGUSER": LOADER, "PGPASSWORD": password}


def _make_extensions(folder: Path, database: str, extensions: list[dict[str, str]]) -> None:
    """Make the extensions of a dump, and the kit's own, before anything of the dump is there."""
    statements = [f"CREATE EXTENSION {KIT_EXTENSION} WITH SCHEMA public;"]
    for one in extensions:
        name, schema = quoted(one["name"]), one["schema"]
        if one["name"] == KIT_EXTENSION:
            continue
        if schema not in ("", "public", "pg_catalog"):
            # Its entry in the dump is left out, or finds it there.
            statements.append(
                f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)} AUTHORIZATION {LOADER};"
            )
            _leave_out(folder / "list", f"SCHEMA - {schema} ")
        where = f" WITH SCHEMA {quoted(schema)}" if schema else ""
        statements.append(f"CREATE EXTENSION IF NOT EXISTS {name}{where};")
    # With the search path that a session has by itself: PostGIS adds to it, for the database.
    argv = ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", database]
    run(folder, argv, "an extension cannot be made", "\n".join(statements))


def _load(folder: Path, kind: str, database: str, login: dict[str, str]) -> dict[str, int]:
    """Load the dump in sessions of the login, and what it has for tables of extensions too.

    Gives the rows by table. They are counted by that login too: whoever asks for rows runs
    functions of the dump's, such as those of an index on an expression.
    """
    may_not = "the extensions cannot be filled"
    fill = FILL_EXTENSIONS.format("GRANT", f"TO {LOADER}", literal(LOADER))
    psql(folder, database, fill, may_not)
    if kind == "custom":
        archive.load(folder, "dump", login, database, jobs=min(os.cpu_count() or 1, 4))
    else:
        argv = ["psql", "-Xq", "-1", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-d", database]
        run(folder, [*argv, "-f", "clean.sql"], "the dump cannot be loaded", login=login)
    fill = FILL_EXTENSIONS.format("REVOKE", f"FROM {LOADER}", literal(LOADER))
    psql(folder, database, fill, may_not)
    psql(folder, database, "ANALYZE", "the new database cannot be analysed", login)
    return counts(psql(folder, database, COUNT, "the rows cannot be counted", login))


def _hand_over(folder: Path, owner: str, database: str) -> None:
    """Make the new database the owner's, with all that the site's one has beside its data."""
    what = "the new database cannot be given its owner"
    reassign = f"REASSIGN OWNED BY {LOADER} TO {quoted(owner)}; DROP OWNED BY {LOADER};"
    psql(folder, database, reassign, what)
    give = f"ALTER DATABASE {quoted(database)} OWNER TO {quoted(owner)}; DROP ROLE {LOADER};"
    psql(folder, "postgres", give, what)
    _copy_kit_schema(folder, owner, database)
    settings = COPY_SETTINGS.format(old=literal(owner), new=literal(database))
    psql(folder, "postgres", settings, "the database's settings cannot be copied")


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
    script = (
        f"DROP DATABASE IF EXISTS {quoted(database)} WITH (FORCE); DROP ROLE IF EXISTS {LOADER};"
    )
    psql(folder, "postgres", script, "the new database cannot be dropped")
    return {}


def _copy_kit_schema(folder: Path, owner: str, database: str) -> None:
    """Copy what the kit keeps in the site's database for a connection pool, if there is one.

    What a dump as SQL has of it, from another site of the kit, makes room.
    """
    script = f"DROP SCHEMA IF EXISTS {KIT_SCHEMA} CASCADE"
    psql(folder, database, script, "the pool's function cannot be copied")
    there = f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(KIT_SCHEMA)}"
    if psql(folder, owner, there, "the site's database cannot be asked"):
        argv = ["pg_dump", f"--schema={KIT_SCHEMA}", "--dbname", owner]
        script = run(folder, argv, "the pool's function cannot be copied")
        psql(folder, database, script, "the pool's function cannot be copied")


def _leave_out(listing: Path, what: str) -> None:
    if listing.exists():
        lines = listing.read_text().splitlines(keepends=True)
        listing.write_text("".join(line for line in lines if f" {what}" not in line))
