"""A cache in redis whose failures are misses.

Every operation that redis does not answer in time does what it does for a missing key. After the
first failure redis is not asked at all: a thread of its own tries until redis is back, so that an
outage costs a site nothing more. Before redis is used again, the keys that could not be written or
deleted meanwhile are deleted, so that nothing stale (a session that was logged out) comes back.
"""

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

TIMEOUT = 0.25  # seconds, to connect and for each answer
RETRY = 0.5  # seconds between two tries while redis is away
# What redis still had in its sockets when it hung is carried out when it goes on, and must be
# before the keys are deleted: a late `set` would be just what is to be undone.
DELETE_DELAY = 0.2  # seconds
MOST_KEYS = 10_000  # remembered in an outage; from there on the whole cache is emptied

logger = logging.getLogger("espalier.cache")


class Outage:
    """Whether redis is away, for all threads of this process, and what it missed meanwhile."""

    def __init__(
        self, ping: Callable[[], Any], delete: Callable[..., Any], flush: Callable
    ) -> None:
        """Take what asks redis for a sign of life, deletes keys, and empties it."""
        self._ping, self._delete, self._flush = ping, delete, flush
        self._lock = threading.Lock()
        self._missed: set[str] | None = set()  # None: all of them
        self.away = False

    def begins(self, error: Exception) -> None:
        """Stop asking redis until it answers again."""
        with self._lock:
            if self.away:
                return
            self.away = True
        logger.warning("redis is away, the site goes on without a cache: %s", error)
        threading.Thread(target=self._wait_for_the_end, name="espalier-redis", daemon=True).start()

    def missed(self, keys: Iterable[str] | None) -> None:
        """Remember keys whose change redis did not see; None for all."""
        with self._lock:
            if self._missed is not None:
                self._missed = None if keys is None else self._missed.union(keys)
            if self._missed is not None and len(self._missed) > MOST_KEYS:
                self._missed = None
            ended = not self.away
        if ended:  # it came back while the operation was failing
            self.begins(TimeoutError("a change was missed just when it came back"))

    def _wait_for_the_end(self) -> None:
        since = time.monotonic()
        while True:
            time.sleep(RETRY)
            with contextlib.suppress(Exception):
                self._ping()
                time.sleep(DELETE_DELAY)
                if self._delete_missed_keys():
                    break
        logger.warning("redis is back after %.1f s", time.monotonic() - since)

    def _delete_missed_keys(self) -> bool:
        """Delete what was missed; end the outage if nothing was missed while doing so."""
        while True:
            with self._lock:
                missed, self._missed = self._missed, set()
                if missed is not None and not missed:
                    self.away = False
                    return True
            try:
                if missed is None:
                    self._flush()
                else:
                    self._delete(*missed)
            except Exception:
                with self._lock:
                    both = missed is not None and self._missed is not None
                    self._missed = missed | self._missed if both else None
                raise


def _degrading(name: str, default: Callable, missed: Callable | None = None) -> Callable[..., Any]:
    """Return a method of Django's client that does `default` when redis does not answer.

    Args:
        name: of the method.
        default: gets the method's arguments, and returns or raises what it does without redis.
        missed: gets the same, and returns the keys whose change redis missed; None for all.
    """
    method = getattr(RedisCacheClient, name)

    @functools.wraps(method)
    def degrading(self: "Client", *args: Any) -> Any:
        refused = False
        if not self.outage.away:
            try:
                return method(self, *args)
            except (self.errors.ConnectionError, self.errors.TimeoutError, OSError) as error:
                self.outage.begins(error)
            except self.errors.RedisError as error:
                # Redis is there and says no: out of memory, not allowed, not a number.
                logger.warning("redis refuses %s: %s", name, error)
                refused = True
            except Exception as error:
                # A value that this release cannot read; one that cannot be stored is the caller's.
                if missed is not None:
                    raise
                logger.warning("a cached value cannot be read: %s", error)
        if missed is not None:
            keys = missed(*args)
            if not refused:
                self.outage.missed(keys)
            elif keys:  # the old value must not outlive the new one; deleting needs no memory
                with contextlib.suppress(Exception):
                    self.get_client(write=True).delete(*keys)
        return default(*args)

    return degrading


def _no_key(key: str, delta: int) -> None:
    raise ValueError(f"Key '{key}' not found.")


class Client(RedisCacheClient):
    """Django's client of one redis, without its failures. One for all threads of a process."""

    def __init__(self, servers: Iterable[str], **options: Any) -> None:
        """Take what Django's own takes."""
        defaults = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "protocol": 2,  # nothing of version 3 is used; it costs a question per connection
        }
        super().__init__(list(servers), **{**defaults, **options})
        self.errors = self._lib.exceptions
        raw = self.get_client(write=True)
        self.outage = Outage(raw.ping, raw.delete, raw.flushdb)

    add = _degrading("add", lambda key, value, timeout: False, lambda key, *_: [key])
    get = _degrading("get", lambda key, default: default)
    set = _degrading("set", lambda key, value, timeout: None, lambda key, *_: [key])
    touch = _degrading("touch", lambda key, timeout: False, lambda key, *_: [key])
    delete = _degrading("delete", lambda key: False, lambda key: [key])
    get_many = _degrading("get_many", lambda keys: {})
    has_key = _degrading("has_key", lambda key: False)
    set_many = _degrading("set_many", lambda data, timeout: None, lambda data, *_: list(data))
    delete_many = _degrading("delete_many", lambda keys: None, lambda keys: list(keys))
    clear = _degrading("clear", lambda: False, lambda: None)
    # A missing key is a ValueError, as Django has it.
    incr = _degrading("incr", _no_key, lambda key, delta: [key])


class Cache(RedisCache):
    """Django's redis cache, whose failures are misses."""

    @property
    def _cache(self) -> Client:
        """Return this process's client of these servers.

        Django makes a cache object per thread, and under ASGI per request: each would have
        connections of its own.
        """
        key = tuple(self._servers)
        client = _clients.get(key)
        if client is None:
            client = _clients.setdefault(key, Client(key, **self._options))
        return client

    def set_many(
        self, data: dict, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        """Set all of them, and return the keys that were not set."""
        super().set_many(data, timeout, version)
        return list(data) if self._cache.outage.away else []


_clients: dict[tuple[str, ...], Client] = {}
# A child has neither its parent's threads nor a right to its connections.
os.register_at_fork(after_in_child=_clients.clear)
