"""Tells nginx what each request took, and where: the header `X-Espalier-Timing`.

On while the environment has ESPALIER_INSIGHT=1, or the file FILE is there: whoever measures makes
it, and takes it away. nginx writes the header to its log, and never sends it to a visitor.

Of the requests that are timed, one in SAMPLE_EVERY says in each of its statements which request,
view and line of the project's code it comes from, in a comment that PostgreSQL shows to who looks.
"""

import itertools
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from espalier_overlay.health import PATHS
from espalier_overlay.timed_calls import measure_caches, measure_outside
from espalier_overlay.timed_queries import (
    measure_connecting,
    view_of,
    watch_connections,
    watch_open_connections,
)
from espalier_overlay.times import Times, current, run_queue_wait

HEADER = "X-Espalier-Timing"
FILE = "/run/espalier-insight/on"
LOOK_EVERY = 1.0  # seconds between two looks for the file
FRESH = 10.0  # seconds; who records touches it each second, and may be killed
SAMPLE_EVERY = 50  # requests

logger = logging.getLogger("espalier.timing")


class Switch:
    """Whether requests are timed just now."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        file: str = FILE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the environment, the file that turns timing on, and a clock in seconds."""
        self._always = environ.get("ESPALIER_INSIGHT") == "1"
        self._file, self._clock = file, clock
        self._on = False
        self._next = float("-inf")

    def is_on(self) -> bool:
        """Tell it; the file is looked for at most once a second."""
        now = self._clock()
        if now >= self._next:
            self._next = now + LOOK_EVERY
            self._on = self._always or self._is_fresh()
            if self._on:
                _guarded(_prepare)
        return self._on

    def _is_fresh(self) -> bool:
        try:
            return time.time() - os.stat(self._file).st_mtime < FRESH
        except OSError:
            return False


def _prepare() -> None:
    """Replace what is measured; what was replaced already stays."""
    measure_connecting()
    measure_caches()
    measure_outside()


_counter = itertools.count()
_reported: set[str] = set()


@sync_and_async_middleware
def middleware(get_response: Callable[..., Any]) -> Callable[..., Any]:
    """Time every request but probes, while it is switched on."""
    switch = Switch()
    watch_connections()

    if iscoroutinefunction(get_response):

        async def timed(request: HttpRequest) -> Any:
            if not switch.is_on() or request.path_info in PATHS:
                return await get_response(request)
            times = _times(request)
            token = current.set(times)
            begin = time.perf_counter()
            try:
                response = await get_response(request)
                times.app = time.perf_counter() - begin
            finally:
                current.reset(token)
            _guarded(_tell, response, times)
            return response

    else:

        def timed(request: HttpRequest) -> Any:
            if not switch.is_on() or request.path_info in PATHS:
                return get_response(request)
            times = _times(request)
            _guarded(watch_open_connections)
            token = current.set(times)
            waited, computed, begin = run_queue_wait(), time.thread_time(), time.perf_counter()
            try:
                response = get_response(request)
                times.app = time.perf_counter() - begin
                times.cpu = time.thread_time() - computed
                times.wait = run_queue_wait() - waited
            finally:
                current.reset(token)
            _guarded(_tell, response, times)
            return response

    return timed


def _times(request: HttpRequest) -> Times:
    times = Times(request)
    if next(_counter) % SAMPLE_EVERY == 0:
        told = request.META.get("HTTP_X_REQUEST_ID", "")
        times.sample = re.sub(r"[^A-Za-z0-9_.:-]", "_", told)[:64] or "-"
    return times


def _tell(response: Any, times: Times) -> None:
    response.headers[HEADER] = header(times, view_of(times.request))


def header(times: Times, view: str) -> str:
    """Return the header's value: `view=…;app=…`, seconds with at most six decimals."""
    fields = (
        ("app", times.app),
        ("cpu", times.cpu),
        ("wait", times.wait),
        ("db", times.db),
        ("queries", times.queries),
        ("writes", times.writes),
        ("connects", times.connects),
        ("connecting", times.connecting),
        ("cache", times.cache),
        ("hits", times.hits),
        ("misses", times.misses),
        ("outside", times.outside),
        ("pid", os.getpid()),
    )
    return ";".join([f"view={view}", *(f"{name}={_number(value)}" for name, value in fields)])


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{max(value, 0.0):.6f}".rstrip("0").rstrip(".")


def _guarded(call: Callable[..., None], *args: Any) -> None:
    """Call; a failure of timing costs a request its times, and nothing else."""
    try:
        call(*args)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if text not in _reported and len(_reported) < 20:
            _reported.add(text)
            logger.warning("a request cannot be timed: %s", text)
