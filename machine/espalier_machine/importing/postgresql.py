"""PostgreSQL's own programs: they ask the site's database, or the source by its service file."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from espalier_machine.importing.errors import ImportingError

SOURCE = "service=source"
# No line of a query has it in it.
SEPARATOR = "\x1f"
# Tables with rows of somebody: not those of extensions, nor the kit's own.
TABLES = """
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'espalier_pooler', '_heroku')
AND NOT EXISTS (
  SELECT FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
)
ORDER BY 1, 2
"""
# Those that inherit from a table have rows of their own in a dump.
COUNT = f"""
SELECT format('SELECT %L, %L, count(*) FROM ONLY %I.%I', schema, name, schema, name)
FROM ({TABLES}) tables \\gexec
"""
# Tables and sequences of extensions, of which a dump has the rows that somebody has added, as those
# of PostGIS's spatial_ref_sys.
MEMBERS = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, n.nspowner AS owner
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
WHERE c.relkind IN ('r', 'S')
"""


def environment(folder: Path) -> dict[str, str]:
    """What the programs need: the site's socket, and the source's service file."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "PGHOST": "/run/postgresql",
        "PGPORT": "5432",
        "PGSERVICEFILE": str(folder / "service"),
        "PGCONNECT_TIMEOUT": "10",
        "PGCLIENTENCODING": "UTF8",
        "PGAPPNAME": "espalier import",
    }


@contextmanager
def started(
    folder: Path, argv: Sequence[str], login: Mapping[str, str] | None = None, **pipes: Any
) -> Iterator[subprocess.Popen[Any]]:
    """Start a program in the import's directory; it and its children end with the block.

    Args:
        folder: the import's directory.
        argv: the program.
        login: more of its environment: who logs in.
        pipes: what `subprocess.Popen` takes.
    """
    variables = {**environment(folder), **(login or {})}
    with subprocess.Popen(argv, env=variables, cwd=folder, start_new_session=True, **pipes) as job:
        try:
            yield job
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
            raise


def run(
    folder: Path,
    argv: Sequence[str],
    what: str,
    stdin: str | None = None,
    login: Mapping[str, str] | None = None,
) -> str:
    """Run a program in the import's directory; gives its output.

    Raises:
        ImportingError: it failed; `what` begins the sentence.
    """
    text = {"text": True, "errors": "replace"}
    pipes = {"stdin": subprocess.DEVNULL if stdin is None else subprocess.PIPE}
    pipes |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(folder, argv, login, **pipes, **text) as job:
        out, errors = job.communicate(stdin)
    if job.returncode:
        lines = errors.strip().splitlines() or ["no output"]
        first = next((line for line in lines if "error" in line.lower()), lines[0])
        raise ImportingError(f"{what}: {first.removeprefix('psql: error: ')}", errors)
    return str(out)


def psql(
    folder: Path,
    database: str,
    script: str,
    what: str,
    login: Mapping[str, str] | None = None,
) -> list[list[str]]:
    """Run a script of psql; gives the rows that it returned.

    Args:
        folder: the import's directory.
        database: a name of the site's cluster, or SOURCE.
        script: SQL, and psql's own commands.
        what: begins the sentence of an error.
        login: the variables of who logs in; the administrator, if none.

    Raises:
        ImportingError: a statement failed, or the database does not let us in.
    """
    argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", SEPARATOR, "-d", connection(database)]
    out = run(folder, argv, what, script, login)
    return [line.split(SEPARATOR) for line in out.splitlines()]


def connection(database: str) -> str:
    """A connection string for a database's name, which could look like one itself.

    Nothing that a project or a dump has in it is called by an administrator's session in place of
    PostgreSQL's own: the search path is empty, whatever the database says.
    """
    if database == SOURCE:
        return SOURCE
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}' options='-c search_path='"


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def counts(rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """What the query COUNT returned, as table -> rows."""
    return {f"{schema}.{name}": int(count) for schema, name, count in rows}


def extension_tables(folder: Path, database: str) -> list[str]:
    """The tables of extensions, as `schema.table`; `counts` has none of them."""
    script = f"SELECT schema, name FROM ({MEMBERS}) members WHERE kind = 'r' ORDER BY 1, 2"
    rows = psql(folder, database, script, "the extensions cannot be asked for")
    return [f"{schema}.{name}" for schema, name in rows]


def server(folder: Path, database: str) -> Mapping[str, str]:
    """A server's version, as `number` (170006) and `name` (17.6)."""
    script = "SELECT current_setting('server_version_num'), current_setting('server_version')"
    what = "the source cannot be asked" if database == SOURCE else "the database cannot be asked"
    number, name = psql(folder, database, script, what)[0]
    return {"number": number, "name": name.split()[0]}
