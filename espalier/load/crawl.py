"""A profile where nobody wrote one: the site's front page, and the pages that it links to."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import aiohttp

from espalier.load.profile import Ask, Profile
from espalier.load.sessions import TIMEOUT, open_connector
from espalier.load.site import LoadError, Site

MOST = 20  # pages
REDIRECTS = 5  # from / to the front page
FRONT = 3.0  # weight of the front page; each other page has 1
# A link should not change anything, but some do.
UNSAFE = re.compile(
    r"admin|log-?_?(in|out)|sign-?_?(in|out|up)|account|delete|remove|destroy|unsubscribe|cancel"
    r"|cart|checkout|download|vote|like|follow",
    re.IGNORECASE,
)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where an `<a>` leads."""
        named = dict(attrs)
        if tag == "a" and "download" not in named and (target := named.get("href")):
            self.found.append(target.strip())


def links(html: str, url: str) -> list[str]:
    """Give the pages that a page links to.

    Args:
        html: the page.
        url: where it is.

    Returns:
        Paths with their query, in the page's order and each once: of the same site, and none whose
        name says that asking for it changes something.
    """
    reader = _Links()
    reader.feed(html)
    here = urlsplit(url)
    paths: dict[str, None] = {}
    for target in reader.found:
        try:
            there = urlsplit(urljoin(url, target))
        except ValueError:
            continue
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            continue
        path = (there.path or "/") + (f"?{there.query}" if there.query else "")
        # No path that a profile would take for a range, or refuse.
        if not UNSAFE.search(path) and re.fullmatch(r"/(?!/)[^\s#{}\\]*", path):
            paths[path] = None
    return list(paths)


def profile_of_links(site: Site) -> Profile:
    """Make a profile of the front page and of at most 19 pages that it links to.

    LoadError where the front page is no page that can be read.
    """
    return asyncio.run(_crawl(site))


async def _crawl(site: Site) -> Profile:
    async with aiohttp.ClientSession(
        base_url=site.base,
        connector=open_connector(site, 1),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
    ) as session:
        front, html = await _front_page(site, session)
        asks = [Ask(path=front, weight=FRONT)]
        for path in links(html, site.base + front):
            if len(asks) == MOST:
                break
            if path != front and await _is_page(session, path):
                asks.append(Ask(path=path))
    note = f"The front page and {len(asks) - 1} pages that it links to; nothing is written."
    return Profile(name="links", requests=asks, source="links", notes=[note])


async def _front_page(site: Site, session: aiohttp.ClientSession) -> tuple[str, str]:
    """Give the front page's path and text; / may lead to it, as to /en/."""
    path = "/"
    for _ in range(REDIRECTS + 1):
        try:
            # Not by aiohttp: a redirect to an address would be followed out of the site.
            async with session.get(path, allow_redirects=False) as response:
                status, html = response.status, await response.text(errors="replace")
                target = response.headers.get("Location", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LoadError(f"{site.base}{path} cannot be read: {error!r}.") from error
        if status == 200:
            return path, html
        if not 300 <= status < 400:
            break
        there = urlsplit(urljoin(site.base + path, target))
        if f"{there.scheme}://{there.netloc}" != site.base:
            raise LoadError(
                f"{site.base}{path} leads to {target}, which is not the site of the inventory. "
                "Write down what visitors ask for: `--profile FILE`."
            )
        path = (there.path or "/") + (f"?{there.query}" if there.query else "")
    raise LoadError(
        f"{site.base}{path} answers with status {status}, so there is no page to begin with. "
        "Write down what visitors ask for: `--profile FILE`."
    )


async def _is_page(session: aiohttp.ClientSession, path: str) -> bool:
    try:
        async with session.get(path, allow_redirects=False) as response:
            return response.status == 200 and response.content_type == "text/html"
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
