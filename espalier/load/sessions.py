"""HTTP sessions that reach one site only, and tell a kept connection from a new one."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from espalier.load.site import Site

TIMEOUT = 30  # seconds for one request, as patient people are


class OnlyThisSite(AbstractResolver):
    """A resolver that knows one name, so that no request can leave for elsewhere."""

    def __init__(self, site: Site) -> None:
        """Know this site's name."""
        self.site = site

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the site's address for the site's name; OSError for any other."""
        if host != self.site.domain:
            raise OSError(f"{host} is not the site of the inventory")
        loop = asyncio.get_running_loop()
        # Mostly an address, but `ansible_host` may be a name, too.
        found = await loop.getaddrinfo(self.site.address, port, type=socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host, host=str(where[0]), port=port, family=of, proto=protocol, flags=0
            )
            for of, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


def open_connector(site: Site, limit: int, force_close: bool = False) -> aiohttp.TCPConnector:
    """Make connections that lead to a site only.

    Args:
        site: where they go.
        limit: how many at once; 0 for any number.
        force_close: close each after one request.
    """
    return aiohttp.TCPConnector(
        resolver=OnlyThisSite(site),
        ssl=False,  # the lab's certificate is self-signed
        limit=limit,
        force_close=force_close,
    )


def open_sessions(site: Site) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
    """Open a visitor's two sessions, with the same cookies: only the first keeps its connection."""
    jar = aiohttp.CookieJar(unsafe=True)  # a site without a name has cookies, too
    tracing = aiohttp.TraceConfig()

    async def opened(session: Any, used: SimpleNamespace, parameters: Any) -> None:
        if used.trace_request_ctx is not None:
            used.trace_request_ctx.append("new")

    async def reused(session: Any, used: SimpleNamespace, parameters: Any) -> None:
        if used.trace_request_ctx is not None:
            used.trace_request_ctx.append("kept")

    tracing.on_connection_create_end.append(opened)
    tracing.on_connection_reuseconn.append(reused)
    kept, fresh = (
        aiohttp.ClientSession(
            base_url=site.base,
            cookie_jar=jar,
            connector=open_connector(site, 1, force_close),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            trace_configs=[tracing],
        )
        for force_close in (False, True)
    )
    return kept, fresh
