"""Sessions in the cache, and in the database: a lost cache logs nobody out.

Django's own `cached_db`, but for two things. A session that the cache does not have is read from
the primary: what a replica has not replayed yet (a log-out) would stay in the cache for weeks. And
no copy in the cache is trusted for long, which bounds what can go wrong where a machine was cut off
from the cache while others were not.
"""

from typing import Any

from django.contrib.sessions.backends import cached_db

from espalier_overlay.router import primary

LONGEST = 900  # seconds that a copy may be used without asking the database


class _ShortLived:
    """A cache that keeps nothing for longer than `LONGEST`."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def __contains__(self, key: str) -> bool:
        return key in self._cache

    def set(self, key: str, value: Any, timeout: int) -> None:
        self._cache.set(key, value, min(timeout, LONGEST))

    async def aset(self, key: str, value: Any, timeout: int) -> None:
        await self._cache.aset(key, value, min(timeout, LONGEST))


class SessionStore(cached_db.SessionStore):
    """A session of the kit's sites."""

    def __init__(self, session_key: str | None = None) -> None:
        """Take the session's key."""
        super().__init__(session_key)
        self._cache = _ShortLived(self._cache)

    def _get_session_from_db(self) -> Any:
        with primary():
            return super()._get_session_from_db()

    async def _aget_session_from_db(self) -> Any:
        with primary():
            return await super()._aget_session_from_db()
