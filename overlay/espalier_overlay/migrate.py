"""Migrates the database, once at a time and without queueing the site behind a table lock.

    python -m espalier_overlay.migrate [--lock-timeout 5s] [--wait 300]

Works with any settings module. On PostgreSQL, an advisory lock makes machines take turns, and
`lock_timeout` makes a migration that waits for a busy table give up: while it waits, every query
on that table waits behind it. It is tried again after a pause. Other databases are just migrated.
"""

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, MutableMapping, Sequence
from hashlib import sha256
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from espalier_overlay.health import pending_migrations


def lock_key(name: str) -> int:
    """Return the number of an advisory lock, of which PostgreSQL wants 64 bits, for its name."""
    return int.from_bytes(sha256(f"espalier {name}".encode()).digest()[:8], "big", signed=True)


# One for all projects: PostgreSQL keeps advisory locks per database.
LOCK_KEY = lock_key("migrate")
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's SQLSTATE, appendix A of its manual
PAUSES = (2.0, 5.0, 10.0)  # seconds before the 2nd, 3rd and 4th try
POLL = 0.5  # seconds


class MigrateError(Exception):
    """A failure that a sentence explains better than a traceback."""


def main(argv: Sequence[str] | None = None, pauses: Sequence[float] = PAUSES) -> int:
    """Migrate and return the exit status: 0, or 1 with a sentence on stderr.

    An error in the project's settings, apps or migrations is raised as it is.
    """
    arguments = _arguments(argv)
    bypass_pooler(os.environ)
    django.setup()
    try:
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.vendor == "postgresql":
            _check_reachable(connection)
            with _exclusive(connection, arguments.wait), _lock_timeout(arguments.lock_timeout):
                _migrate_patiently(arguments.lock_timeout, pauses)
        else:
            _migrate()
    except MigrateError as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 1
    return 0


def bypass_pooler(environ: MutableMapping[str, str]) -> None:
    """Have the settings, which are not read yet, name PostgreSQL itself where a pool is between.

    Advisory locks and `lock_timeout` belong to a session, and a pool shares sessions.
    """
    direct = environ.get("ESPALIER_DIRECT_DATABASE_URL")
    if not direct:
        return
    # Also for a project that reads DATABASE_URL itself, if it is told the same as the overlay.
    if environ.get("DATABASE_URL") == environ.get("ESPALIER_DATABASE_URL"):
        environ["DATABASE_URL"] = direct
    environ["ESPALIER_DATABASE_URL"] = direct
    environ["ESPALIER_POOLER"] = ""
    environ["ESPALIER_REPLICA_URLS"] = ""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m espalier_overlay.migrate", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--lock-timeout",
        type=_duration,
        default="5s",
        metavar="5s",
        help="how long a statement may wait for a table (ms, s or min; default 5s)",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=300,
        metavar="300",
        help="seconds to wait for another migration of this database to end (default 300)",
    )
    return parser.parse_args(argv)


def _duration(text: str) -> str:
    if not re.fullmatch(r"\d+(ms|s|min)", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 500ms, 5s or 1min")
    return text


def _migrate() -> None:
    """Apply what is pending, saying so; post_migrate handlers run in any case, as Django does."""
    pending = pending_migrations()
    if pending:
        call_command("migrate", interactive=False, verbosity=1)
        several = "s" if len(pending) > 1 else ""
        print(f"applied {len(pending)} migration{several}: {', '.join(pending)}", flush=True)
    else:
        print("nothing to migrate", flush=True)
        call_command("migrate", interactive=False, verbosity=0)
    _make_cache_tables()


def _make_cache_tables() -> None:
    """Make the tables of caches in the database, which no migration makes; those there are kept."""
    if any(cache["BACKEND"].endswith(".DatabaseCache") for cache in settings.CACHES.values()):
        call_command("createcachetable", verbosity=0)


def _migrate_patiently(lock_timeout: str, pauses: Sequence[float]) -> None:
    """Migrate, again after each pause while a busy table is what stands in the way."""
    for pause in (*pauses, None):
        try:
            _migrate()
            return
        except OperationalError as error:
            if _sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            connections[DEFAULT_DB_ALIAS].close()
            failed = next(iter(pending_migrations()), "the migration")
            connections[DEFAULT_DB_ALIAS].close()
            if pause is None:
                raise MigrateError(
                    f"{failed} waited {lock_timeout} for a table that other queries hold, "
                    f"{len(pauses) + 1} times, and was given up so that the site does not queue "
                    "behind it. Run it when the site is quieter, end the long transaction "
                    "(SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start), "
                    "or allow more with --lock-timeout."
                ) from error
            print(
                f"{failed}: a table is busy for longer than {lock_timeout}; "
                f"trying again in {pause:g} s",
                flush=True,
            )
            time.sleep(pause)


def _check_reachable(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        # libpq names host, user and database, never the password.
        raise MigrateError(
            f"the database does not answer: {str(error).strip()} Look at ESPALIER_DATABASE_URL (or "
            "the project's DATABASES) and at PostgreSQL on that machine."
        ) from error
    connection.close()  # the next one is made with lock_timeout


@contextlib.contextmanager
def _exclusive(connection: BaseDatabaseWrapper, wait: float) -> Iterator[None]:
    """Hold the advisory lock, on a connection of its own: the migrating one may be closed.

    Raises:
        MigrateError: another process still holds it after `wait` seconds.
    """
    keeper = connection.copy()
    try:
        with keeper.cursor() as cursor:
            # As the role that has logged in, which sees its own sessions; another one acts as the
            # owner, who does not see them.
            cursor.execute("SET ROLE NONE")
            deadline = time.monotonic() + wait
            told = False
            while not scalar(cursor, "SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]):
                if time.monotonic() >= deadline:
                    raise MigrateError(
                        f"another migration of this database still runs after {wait:g} s "
                        f"({_holder(cursor)}). Wait for it and run this again, or allow more time "
                        "with --wait."
                    )
                if not told:
                    print(
                        f"another migration of this database runs ({_holder(cursor)}); "
                        f"waiting up to {wait:g} s",
                        flush=True,
                    )
                    told = True
                time.sleep(POLL)
            try:
                yield
            finally:
                # If this connection is gone, so is the lock; the migration's own error matters.
                with contextlib.suppress(Exception):
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
    finally:
        keeper.close()


def _holder(cursor: Any) -> str:
    """Say who holds the lock, for a person: PostgreSQL's process, its client, since when."""
    cursor.execute(
        "SELECT a.pid, coalesce(host(a.client_addr), 'this machine'),"
        " to_char(a.backend_start, 'HH24:MI:SS TZ')"
        " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (l.classid::bigint << 32) | l.objid::bigint = %s",
        [LOCK_KEY],
    )
    row = cursor.fetchone()
    if row is None:
        return "it has just ended"
    return f"PostgreSQL process {row[0]}, from {row[1]}, since {row[2] or 'before'}".rstrip()


@contextlib.contextmanager
def _lock_timeout(duration: str) -> Iterator[None]:
    """Set `lock_timeout` on every PostgreSQL connection that Django opens inside."""

    def on_connect(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [duration])

    connection_created.connect(on_connect)
    try:
        yield
    finally:
        connection_created.disconnect(on_connect)


def scalar(cursor: Any, query: str, parameters: Sequence[Any] = ()) -> Any:
    """Ask for one value."""
    cursor.execute(query, parameters)
    return cursor.fetchone()[0]


def _sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's code of a Django database error; psycopg 3 and 2 name it differently."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


if __name__ == "__main__":
    sys.exit(main())
