"""Asks a PostgreSQL of this machine, as its administrator."""

from __future__ import annotations

from espalier_machine.common.owner import OWNER, run
from espalier_machine.database_backup.errors import BackupError

SOCKETS = "/run/postgresql"
# No line of an answer has it in it.
SEPARATOR = "\x1f"


def ask(
    statement: str, database: str = "postgres", host: str = SOCKETS, user: str = OWNER
) -> list[list[str]]:
    """Return the rows of a statement; an error of it is told without values of any row.

    Raises:
        BackupError: PostgreSQL does not answer, or refuses the statement.
    """
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-F", SEPARATOR]
    words += ["-h", host, "-U", user, "-d", database]
    done = run(*words, "-c", statement, check=False)
    if done.returncode:
        raise BackupError(f"PostgreSQL does not answer as it should: {done.stderr.strip()}")
    return [line.split(SEPARATOR) for line in done.stdout.splitlines()]


def one(statement: str, database: str = "postgres", host: str = SOCKETS, user: str = OWNER) -> str:
    """Return the first column of the first row, "" for no row."""
    rows = ask(statement, database, host, user)
    return rows[0][0] if rows else ""


def is_primary(host: str = SOCKETS) -> bool:
    """Whether that PostgreSQL is no replica, and recovers nothing.

    Raises:
        BackupError: it does not answer.
    """
    return one("SELECT pg_is_in_recovery()", host=host) == "f"


def quoted(*names: str) -> str:
    """Return a name as SQL has it, with its schema where that is given first."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def readable(*names: str, host: str = SOCKETS) -> str:
    """Return the same as `quoted`, quoted only where that is needed, as people write it.

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    return ".".join(one(f"SELECT quote_ident({literal(name)})", host=host) for name in names)


def literal(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
