"""Measures Django's databases: how long statements and connections take, and what they are."""

import functools
import logging
import os.path
import re
import sys
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from espalier_overlay.apply import CODE
from espalier_overlay.times import Times, current, measure

ROUTER = "espalier_overlay.router"
# The first word, after brackets and comments.
_WORD = re.compile(r"(?:[\s(]|/\*.*?\*/|--[^\n]*\n)*(\w+)", re.DOTALL)
_CHANGES = frozenset(
    ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "COPY", "TRUNCATE", "CREATE", "ALTER")
) | {"DROP", "LOCK", "CALL"}
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b", re.IGNORECASE)
_CHANGES_WITHIN = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\b", re.IGNORECASE
)
# Of a SELECT, what comes after its tables and conditions stands in its last characters.
_END = 200

logger = logging.getLogger("espalier.timing")


def watch_connections() -> None:
    """See the statements of every connection that Django makes from now on."""
    connection_created.connect(_watch, dispatch_uid=__name__)


def watch_open_connections() -> None:
    """See the statements of this thread's connections, if it has had some before that."""
    for connection in connections.all(initialized_only=True):
        _watch(connection)


def measure_connecting() -> None:
    """Measure how long Django takes to connect, from now on; once in a process."""
    if hasattr(BaseDatabaseWrapper.connect, "espalier_measures"):
        return
    connect = BaseDatabaseWrapper.connect

    @functools.wraps(connect)
    def measured(self: Any) -> Any:
        times = current.get()
        if times is None:
            return connect(self)
        # From Django's own pool it is a wait for one that is open already.
        if not self.settings_dict.get("OPTIONS", {}).get("pool"):
            times.connects += 1
        return measure(times, "connecting", connect, self)

    measured.espalier_measures = True  # type: ignore[attr-defined]
    BaseDatabaseWrapper.connect = measured


def _watch(connection: Any, **_: Any) -> None:
    wrappers = connection.execute_wrappers
    if _measured_execute not in wrappers:
        # First, not last: `with connection.execute_wrapper(…)` takes the last one away at its end.
        # But after the replicas', which goes by what the statement says: not by our comment in it.
        is_second = wrappers and getattr(wrappers[0], "__module__", "") == ROUTER
        wrappers.insert(1 if is_second else 0, _measured_execute)


def _measured_execute(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    times = current.get()
    if times is None:
        return execute(sql, params, many, context)
    times.queries += 1
    if isinstance(sql, str):
        times.writes += writes(sql)
        # Drivers take the statement of a batch apart.
        if times.sample and not many:
            # In front: pg_stat_activity has the first 1,024 bytes of a statement, with its values.
            # Not before a comment of the project's, which may be a hint to the planner.
            mark = _comment(times)
            sql = f"{sql} {mark}" if sql.lstrip().startswith("/*") else f"{mark} {sql}"
    return measure(times, "db", execute, sql, params, many, context)


def writes(sql: str) -> bool:
    """Tell whether a statement changes rows, or locks them to change them."""
    found = _WORD.match(sql)
    word = found[1].upper() if found else ""
    if word == "SELECT":
        end = sql[-_END:]
        # Most have no such word at all, and so cost no search.
        return ("UPDATE" in end or "update" in end) and bool(_LOCKS.search(end))
    return word in _CHANGES or (word == "WITH" and bool(_CHANGES_WITHIN.search(sql)))


def _comment(times: Times) -> str:
    """Return the comment in a sampled request's statement; nothing in it needs quoting."""
    try:
        view = view_of(times.request)
        return f"/* espalier request={times.sample} view={view} at={_place()} */"
    except Exception as error:  # the request goes on without it
        logger.warning("a statement is not marked: %s", error)
        return ""


def view_of(request: Any) -> str:
    """Return the name of the URL pattern, else the dotted name of the view; "" without a match."""
    match = getattr(request, "resolver_match", None)
    return re.sub(r"[^A-Za-z0-9_.:-]", "_", match.view_name or "") if match is not None else ""


def _place() -> str:
    """Return `file:line` in the project's code that asks, the innermost one; "" without one."""
    frame = sys._getframe(1)
    while frame is not None:
        if name := _within_code(frame.f_code.co_filename, CODE):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


@functools.lru_cache(maxsize=4096)
def _within_code(file: str, code: str) -> str:
    """Return a file's path relative to the project's code, safe in a comment; "" elsewhere."""
    path = os.path.realpath(file)
    if not path.startswith(f"{code}/") or "/site-packages/" in path:
        return ""
    return re.sub(r"[^A-Za-z0-9_.:/-]", "_", path.removeprefix(f"{code}/"))
