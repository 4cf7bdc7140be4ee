"""Answers probes before anything else looks at the request.

    GET /-/alive   200: the process answers
    GET /-/ready   200: the database answers too, and has every migration of this code;
                   503 with a "reason" otherwise

Both are JSON, say which release answers on which machine, and are never cached.
"""

import contextlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from espalier_overlay.visitor import name_visitor

ALIVE, READY = "/-/alive", "/-/ready"
PATHS = frozenset((ALIVE, READY))
NO_DATABASE = "django.db.backends.dummy"  # what Django puts where a project names none

logger = logging.getLogger("espalier.health")


class Probe:
    """What this process knows about its own health."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read the release and the machine that answers name."""
        self._who = {
            "release": environ.get("ESPALIER_RELEASE", ""),
            "machine": environ.get("ESPALIER_MACHINE", ""),
        }
        self._migrated = False
        self._logged = ""

    def alive(self) -> HttpResponse:
        """Return 200 without touching anything."""
        return _answer(200, {"status": "alive", **self._who})

    def ready(self) -> HttpResponse:
        """Return 200, or 503 with the reason."""
        reason = self._unready()
        if reason:
            return _answer(503, {"status": "unready", "reason": reason, **self._who})
        self._logged = ""
        return _answer(200, {"status": "ready", **self._who})

    def _unready(self) -> str:
        """Return what stands in the way in one sentence, "" when nothing does."""
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.settings_dict["ENGINE"] == NO_DATABASE:
            return ""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            pending = [] if self._migrated else pending_migrations()
        except Exception as error:
            # Whatever it is, this process cannot serve; the next probe gets a new connection.
            with contextlib.suppress(Exception):
                connection.close()
            self._log(error)
            # Anyone may read the answer, so the driver's text (host, user) goes to the log only.
            return f"the database does not answer ({type(error).__name__}; see the journal)"
        if pending:
            more = f" and {len(pending) - 3} more" if len(pending) > 3 else ""
            return f"migrations not applied: {', '.join(pending[:3])}{more}"
        # Only the good answer is kept: what was applied stays so for the life of this release.
        self._migrated = True
        return ""

    def _log(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}".strip()
        if text != self._logged:  # once per cause, not once per probe
            logger.warning("not ready: %s", text)
            self._logged = text


def pending_migrations(alias: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Return the migrations of this code that the database lacks, as `app.name`, in order.

    Migrations that only the database knows (a newer release made them) do not count.
    """
    # Not at the top: the executor pulls in the app registry.
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


@sync_and_async_middleware
def middleware(get_response: Callable[..., Any]) -> Callable[..., Any]:
    """Answer the two health paths; hand every other request on, with its visitor's address."""
    probe = Probe()

    if iscoroutinefunction(get_response):
        ready = sync_to_async(probe.ready, thread_sensitive=True)

        async def answer_or_pass(request: HttpRequest) -> HttpResponse:
            if request.path_info not in PATHS:
                name_visitor(request)
                return await get_response(request)
            return probe.alive() if request.path_info == ALIVE else await ready()

    else:

        def answer_or_pass(request: HttpRequest) -> HttpResponse:
            if request.path_info not in PATHS:
                name_visitor(request)
                return get_response(request)
            return probe.alive() if request.path_info == ALIVE else probe.ready()

    return answer_or_pass


def _answer(status: int, body: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(
        json.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
