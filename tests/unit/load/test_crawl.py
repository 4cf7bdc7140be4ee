"""The profile that a site's own links make."""

from __future__ import annotations

import pytest
from aiohttp import web

from espalier.load.crawl import links, profile_of_links
from espalier.load.site import LoadError
from tests.unit.load.servers import serving

PAGE = """
<a href="/trees/1/">one</a> <a href=/trees/1/#notes>the same</a> <a href="?page=2&amp;x=1">next</a>
<a href="guide/">guide</a> <a href="https://orchard.example/harvest/">harvest</a>
<a href="https://elsewhere.example/">elsewhere</a> <a href="//elsewhere.example/x/">elsewhere</a>
<a href="http://orchard.example/plain/">without TLS</a> <a href="mailto:a@b.example">mail</a>
<a href="/admin/">books</a> <a href="/accounts/logout/">out</a> <a href="/trees/1/delete/">no</a>
<a href="/cart/?add=3">buy</a> <a href="/report.pdf" download>file</a> <a>nothing</a>
<a href="javascript:go()">script</a> <a href="http://[">broken</a> <a href="/{1..9}/">braces</a>
"""


def test_links_are_of_this_site_and_change_nothing() -> None:
    assert links(PAGE, "https://orchard.example/all/") == [
        "/trees/1/",
        "/all/?page=2&x=1",
        "/all/guide/",
        "/harvest/",
    ]


def test_the_profile_has_the_front_page_and_the_pages_that_answer() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/":
            raise web.HTTPFound("/en/")
        if request.path == "/none/":
            raise web.HTTPNotFound
        if request.path == "/picture/":
            return web.Response(body=b"", content_type="image/png")
        more = "".join(f'<a href="/trees/{number}/">' for number in range(50))
        page = f'<a href="/en/"><a href="/none/"><a href="/picture/">{more}'
        return web.Response(text=page, content_type="text/html")

    with serving(answer) as site:
        profile = profile_of_links(site)

    assert [(ask.path, ask.weight) for ask in profile.requests] == [
        ("/en/", 3),
        *((f"/trees/{number}/", 1) for number in range(19)),
    ]
    assert profile.source == "links"
    assert profile.writes == []
    assert len(asked) == 23


def test_a_site_without_a_front_page_needs_a_profile() -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    with serving(answer) as site, pytest.raises(LoadError, match="--profile FILE"):
        profile_of_links(site)


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1:1", "[::1]"])
def test_a_front_page_elsewhere_is_not_visited(host: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://{host}/")

    with serving(answer) as site, pytest.raises(LoadError, match="is not the site of"):
        profile_of_links(site)


def test_a_front_page_that_leads_to_itself_is_no_page() -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPFound("/")

    with serving(answer) as site, pytest.raises(LoadError, match="status 302"):
        profile_of_links(site)
