"""Reads go to replicas where that is safe, and nobody misses what they have just written.

`Router` chooses per query, from what `Middleware` knows of the request:

- only requests with a safe method read from replicas, outside of transactions and of the admin,
  and one request reads from one replica;
- after a write, the rest of the request reads from the primary, and the response carries a cookie
  with the primary's WAL position. A request with that cookie reads from a replica only if it has
  replayed that far;
- a replica that fails under a request costs nobody an error: the request runs again on the primary;
- the primary helps out where replicas have more queries to answer at once than they should.

Whatever runs outside a request (commands, Celery, threads of its own) uses the primary.
"""

import contextlib
import logging
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse

from espalier_overlay.replicas import Watch

COOKIE = "espalier_pin"
# After this, a replica that has not replayed the write is long left out.
COOKIE_MARGIN = 60  # seconds, on top of the allowed lag
PRIMARY_ONLY = "primary"  # the cookie of a write whose position could not be read
# Queries that a replica may have in hand for each of the primary's, here in this process, before a
# request reads from the primary: reads spare the primary while replicas keep up, and use the whole
# of both when they do not.
REPLICA_SHARE = 2
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
POSITION_QUERY = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"

# Statements that may write nothing. A SELECT without FROM is a call of a function; and what is SET
# on the primary's connection (a tenant, a role) is not set on the replica's.
_READ = re.compile(
    r"[\s(]*(?:SELECT\b(?=.*\bFROM\b)|(?:SAVEPOINT|RELEASE|ROLLBACK|SHOW|FETCH|CLOSE|DECLARE)\b)",
    re.IGNORECASE | re.DOTALL,
)
_CHANGE = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b|;\s*\S", re.IGNORECASE)
_READ_WITH = re.compile(r"\s*(?:WITH|EXPLAIN)\b", re.IGNORECASE)

logger = logging.getLogger("espalier.replicas")


class Request:
    """What is known of the current request. Threads of one request share it."""

    __slots__ = ("alias", "elsewhere", "failed", "http", "pinned", "position", "written")

    def __init__(self, http: HttpRequest, position: int, pinned: bool) -> None:
        """Take the request, the WAL position it must see, and whether only the primary will do."""
        self.http = http
        self.position = position
        self.pinned = pinned
        self.alias: str | None = None  # the replica, once chosen
        self.written = False
        self.elsewhere = False  # whether another database may have been written to
        self.failed = False


class Queries:
    """How many queries each database has in hand, as this process sees it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()

    @contextlib.contextmanager
    def count(self, alias: str) -> Iterator[None]:
        """Count one query while it is under way."""
        with self._lock:
            self._under_way[alias] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[alias] -= 1

    def least_busy(self, replicas: Sequence[str]) -> list[str]:
        """Return the replicas, the least busy one first; none where the primary should help out."""
        ordered = sorted(replicas, key=self._under_way.__getitem__)
        least = self._under_way[ordered[0]] if ordered else 0
        share = REPLICA_SHARE * (self._under_way[DEFAULT_DB_ALIAS] + 1)
        return ordered if least < share else []


queries = Queries()
_current: ContextVar[Request | None] = ContextVar("espalier_request", default=None)


@cache
def watch() -> Watch:
    """Return this process's watch over the replicas."""
    return Watch(tuple(settings.ESPALIER_REPLICAS), settings.ESPALIER_REPLICA_MAX_LAG)


@contextlib.contextmanager
def primary() -> Iterator[None]:
    """Read from the primary inside, whatever the request."""
    request = _current.get()
    if request is None:
        yield
        return
    before, request.pinned = request.pinned, True
    try:
        yield
    finally:
        request.pinned = before or request.written


class Router:
    """Django's database router; the last one, so that the project's own are asked first."""

    def db_for_read(self, model: type, **hints: Any) -> str | None:
        """Return a replica or `default`; None for an object of another database."""
        if _foreign(hints):
            return None
        request = _current.get()
        if request is None or request.pinned or _in_transaction() or _in_admin(request):
            return DEFAULT_DB_ALIAS
        if request.alias is None:
            request.alias = _choose(request.position)
            request.pinned = request.alias is None
        return request.alias or DEFAULT_DB_ALIAS

    def db_for_write(self, model: type, **hints: Any) -> str | None:
        """Return `default`, from where the request reads from now on; select_for_update too."""
        if _foreign(hints):
            return None
        request = _current.get()
        if request is not None:
            request.pinned = True
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool | None:
        """Allow what was read from a replica beside what was read from the primary."""
        return True if {one._state.db, other._state.db} <= _ours() else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Refuse on replicas: PostgreSQL brings them what was migrated."""
        return False if db in settings.ESPALIER_REPLICAS else None


class Middleware:
    """Says which requests may read from replicas, and pins clients that have written."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        """Take the rest of the chain."""
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        connection_created.connect(guard, dispatch_uid=f"{__name__}.guard")
        if self.is_async:
            markcoroutinefunction(self)
        else:
            # This thread may have a connection already; all others are made after this.
            guard(connections[DEFAULT_DB_ALIAS])

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response, or its coroutine."""
        if self.is_async:
            return self._async(request)
        watch().start()
        before = dict(request.__dict__)
        state = _request(request)
        token = _current.set(state)
        try:
            response = self.get_response(request)
            if _runs_again(state, response):
                state.pinned = True
                _restore(request, before)
                response = self.get_response(request)
        finally:
            state.pinned = True  # for what still runs with this context
            _current.reset(token)
        _pin(request, response, _position() if state.written else None)
        return response

    async def _async(self, request: HttpRequest) -> HttpResponse:
        watch().start()
        before = dict(request.__dict__)
        state = _request(request)
        token = _current.set(state)
        try:
            response = await self.get_response(request)
            if _runs_again(state, response):
                state.pinned = True
                _restore(request, before)
                response = await self.get_response(request)
        finally:
            state.pinned = True
            _current.reset(token)
        position = None
        if state.written:
            position = await sync_to_async(_position, thread_sensitive=True)()
        _pin(request, response, position)
        return response


def guard(connection: Any, **_: Any) -> None:
    """See every statement of a connection; called whenever Django makes one."""
    alias = connection.alias
    if alias == DEFAULT_DB_ALIAS:
        wrapper = _note_writes
    elif alias in settings.ESPALIER_REPLICAS:
        wrapper = _note_failures
    else:
        wrapper = _note_writes_elsewhere
    if wrapper not in connection.execute_wrappers:
        # First, not last: `with connection.execute_wrapper(…)` takes the last one away at its end.
        connection.execute_wrappers.insert(0, wrapper)


def _note_writes(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    request = _current.get()
    if request is not None and not request.written and writes(sql):
        request.written = request.pinned = True
    with queries.count(DEFAULT_DB_ALIAS):
        return execute(sql, params, many, context)


def _note_writes_elsewhere(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    request = _current.get()
    if request is not None and writes(sql):
        request.elsewhere = True
    return execute(sql, params, many, context)


def _note_failures(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    try:
        with queries.count(context["connection"].alias):
            return execute(sql, params, many, context)
    except (DatabaseError, InterfaceError) as error:
        # Any of them: a table that is not replayed yet, or a function that writes, fails here only.
        request = _current.get()
        if request is not None:
            request.failed = request.pinned = True
        code = getattr(error.__cause__, "sqlstate", None) or ""
        if not code or code.startswith(("08", "57P")):  # the connection, not the statement
            watch().failed(context["connection"].alias)
        raise


def writes(sql: Any) -> bool:
    """Tell whether a statement may write. What is not understood may."""
    if not isinstance(sql, str):
        return True
    if _READ.match(sql):
        return ";" in sql and bool(_CHANGE.search(sql))
    return not (_READ_WITH.match(sql) and not _CHANGE.search(sql))


def _request(request: HttpRequest) -> Request:
    """Return what the method, the cookie and the headers say."""
    meta = request.META
    if COOKIE in meta.get("HTTP_COOKIE", ""):
        position = _parse(request.COOKIES.get(COOKIE, ""))
        pinned = position is None
    else:
        position = 0
        # A program that logs in by header keeps no cookies, so it could not be pinned.
        pinned = "HTTP_AUTHORIZATION" in meta
    return Request(request, position or 0, pinned or request.method not in SAFE_METHODS)


def _parse(cookie: str) -> int | None:
    return int(cookie, 16) if re.fullmatch(r"[0-9a-f]{1,16}", cookie) else None


def _runs_again(state: Request, response: HttpResponse) -> bool:
    """Tell whether the request may run once more: nothing written, and no body to read again."""
    repeatable = not (state.written or state.elsewhere)
    meta = state.http.META
    bodiless = meta.get("CONTENT_LENGTH") in (None, "", "0") and not meta.get(
        "HTTP_TRANSFER_ENCODING"
    )
    return state.failed and repeatable and bodiless and response.status_code >= 500


def _restore(request: HttpRequest, before: dict[str, Any]) -> None:
    """Make the request what it was before its first run."""
    logger.warning("%s %s failed on a replica: once more on the primary", request.method, request)
    request.__dict__.clear()
    request.__dict__.update(before)


def _position() -> str:
    """Return the primary's WAL position after the request's commits, as the cookie has it."""
    # The insert position, not the flushed one: with synchronous_commit off, that lags behind.
    try:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(POSITION_QUERY)
            return f"{int(cursor.fetchone()[0]):x}"
    except Exception as error:
        logger.warning("the position of a write cannot be read: %s", error)
        return PRIMARY_ONLY


def _pin(request: HttpRequest, response: HttpResponse, position: str | None) -> None:
    """Give the client its cookie, or take it when it is no longer needed."""
    if position is not None:
        response.set_cookie(
            COOKIE,
            position,
            max_age=int(settings.ESPALIER_REPLICA_MAX_LAG) + COOKIE_MARGIN,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            # It goes where the session goes, or a login would be lost on the way to a sister site.
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE or "Lax",
        )
    elif COOKIE in request.META.get("HTTP_COOKIE", ""):
        parsed = _parse(request.COOKIES.get(COOKIE, ""))
        if parsed is not None and watch().lag.all_passed(parsed):
            response.delete_cookie(
                COOKIE,
                domain=settings.SESSION_COOKIE_DOMAIN,
                samesite=settings.SESSION_COOKIE_SAMESITE or "Lax",
            )


def _choose(position: int) -> str | None:
    """Return a replica that is fresh, has replayed up to `position` and can be connected to.

    None where there is no such replica, or where the primary should help out.
    """
    candidates = watch().fresh(position)
    random.shuffle(candidates)
    for alias in queries.least_busy(candidates):
        connection = connections[alias]
        try:
            # Here and not at the first query, where a failure would be the request's.
            connection.close_if_health_check_failed()
            connection.ensure_connection()
        except SynchronousOnlyOperation:
            return alias  # an event loop; the query itself will run in a thread
        except (DatabaseError, InterfaceError) as error:
            logger.warning("replica %s cannot be connected to: %s", alias, error)
            watch().failed(alias)
            continue
        guard(connection)
        return alias
    return None


def _foreign(hints: dict[str, Any]) -> bool:
    """Tell whether the current object is of a database that is none of ours."""
    instance = hints.get("instance")
    db = instance._state.db if instance is not None else None
    return db is not None and db not in _ours()


def _ours() -> frozenset[str]:
    return frozenset((DEFAULT_DB_ALIAS, *settings.ESPALIER_REPLICAS))


def _in_transaction() -> bool:
    connection = connections[DEFAULT_DB_ALIAS]
    manual = connection.connection is not None and not connection.autocommit
    return connection.in_atomic_block or manual


def _in_admin(request: Request) -> bool:
    """Tell it by the resolver: every AdminSite has the app name `admin`, at whatever URL."""
    match = getattr(request.http, "resolver_match", None)
    return match is not None and "admin" in match.app_names
