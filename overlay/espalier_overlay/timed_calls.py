"""Measures calls that leave the process: to the caches, to other servers, to programs.

Methods are replaced on their classes, once in a process, and only when timing is first on. What
they take, give and raise stays as it is.
"""

import contextlib
import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

from espalier_overlay.times import Times, current, is_within, measure

# What is known to wait for another server or for a program. A module that nobody has imported is
# left for later: `measure_outside` is called again.
OUTSIDE = (
    ("http.client", "HTTPConnection", ("connect", "getresponse")),
    ("http.client", "HTTPSConnection", ("connect",)),
    # Of requests and botocore; both connect by code of their own.
    ("urllib3.connection", "HTTPConnection", ("connect",)),
    ("urllib3.connection", "HTTPSConnection", ("connect",)),
    ("httpx", "HTTPTransport", ("handle_request",)),
    ("smtplib", "SMTP", ("connect", "getreply")),
    ("subprocess", "Popen", ("wait", "communicate")),
)
# Not those that call a function of the caller's, such as get_or_set.
CACHE = ("add", "set", "touch", "delete", "has_key", "set_many", "delete_many", "clear", "incr")

logger = logging.getLogger("espalier.timing")
_done: set[tuple[str, str]] = set()


def measure_outside() -> None:
    """Measure what is in OUTSIDE and imported by now."""
    for module, name, methods in OUTSIDE:
        if (module, name) in _done or module not in sys.modules:
            continue
        _done.add((module, name))
        kind = getattr(sys.modules[module], name, None)
        for method in methods:
            if isinstance(kind, type):
                _replace(kind, method, _measured(getattr(kind, method, None), "outside"))


def measure_caches() -> None:
    """Measure the caches in use: the classes that the settings name."""
    from django.conf import settings
    from django.utils.module_loading import import_string

    for cache in settings.CACHES.values():
        try:
            kind = import_string(str(cache["BACKEND"]))
        except Exception:
            continue  # Django says so itself, to whoever asks for it
        if not isinstance(kind, type) or (kind.__module__, kind.__qualname__) in _done:
            continue
        _done.add((kind.__module__, kind.__qualname__))
        for method in CACHE:
            _replace(kind, method, _measured(getattr(kind, method, None), "cache"))
        _replace(kind, "get", _counting_get(getattr(kind, "get", None)))
        _replace(kind, "get_many", _counting_get_many(getattr(kind, "get_many", None)))


def _replace(kind: type, name: str, method: Callable[..., Any] | None) -> None:
    try:
        if method is not None:
            setattr(kind, name, method)
    except (AttributeError, TypeError) as error:  # a class of an extension in C
        logger.warning("%s.%s is not measured: %s", kind.__qualname__, name, error)


def _measured(method: Any, section: str) -> Callable[..., Any] | None:
    """Return a method that is measured, and None where there is none."""
    if not callable(method):
        return None

    @functools.wraps(method)
    def measured(*args: Any, **kwargs: Any) -> Any:
        times = current.get()
        if times is None:
            return method(*args, **kwargs)
        return measure(times, section, method, *args, **kwargs)

    return measured


def _counting_get(get: Any) -> Callable[..., Any] | None:
    if not callable(get):
        return None

    @functools.wraps(get)
    def counting(*args: Any, **kwargs: Any) -> Any:
        times = _counting_times()
        if times is None:
            return get(*args, **kwargs)
        default = args[2] if len(args) > 2 else kwargs.get("default")
        value = measure(times, "cache", get, *args, **kwargs)
        times.hits += value is not default
        times.misses += value is default
        return value

    return counting


def _counting_get_many(get_many: Any) -> Callable[..., Any] | None:
    if not callable(get_many):
        return None

    @functools.wraps(get_many)
    def counting(self: Any, keys: Any, *args: Any, **kwargs: Any) -> Any:
        times = _counting_times()
        if times is None:
            return get_many(self, keys, *args, **kwargs)
        keys = list(keys)  # it may be one that can be read only once
        found = measure(times, "cache", get_many, self, keys, *args, **kwargs)
        with contextlib.suppress(TypeError):  # a backend's own kind of thing
            times.hits += len(found)
            times.misses += max(len(keys) - len(found), 0)
        return found

    return counting


def _counting_times() -> Times | None:
    """Return the request's times, unless a method of the cache calls another one of its own."""
    times = current.get()
    return None if times is not None and is_within("cache") else times
