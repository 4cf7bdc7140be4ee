"""Pages that nginx answers by itself: for nobody in particular, and never of an old release."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.test_release import EVERY_PAGE, server, variant  # noqa: F401  (fixtures)

testinfra_hosts = ["ansible://nginx"]


@pytest.fixture(scope="module")
def cached(hostvars: dict[str, Any]) -> dict[str, int]:
    """Give the cached prefixes, with their seconds."""
    pages = next(iter(hostvars.values()))["project"].get("microcache") or []
    if not pages:
        pytest.skip("no page of this site is microcached")
    return {page["path"]: page["seconds"] for page in pages}


@pytest.fixture
def page(site: Any, cached: dict[str, int]) -> str:
    """Give the address of a page that nginx keeps, and that nobody has asked for yet."""
    for path in cached:
        address = f"{path}?test={uuid.uuid4().hex}"
        if site.get(address)[0].status == 200 and state(site, address) == "HIT":
            return f"{path}?test={uuid.uuid4().hex}"
    pytest.skip("no prefix is itself a page that may be kept")


def state(site: Any, address: str, **headers: str) -> str:
    """Ask for a page; gives what nginx says about its cache."""
    return site.get(address, **headers)[0].headers["X-Cache"]


def wait_for_state(site: Any, address: str, wanted: str, seconds: float = 60) -> bytes:
    """Ask until nginx says the wanted; gives that page."""
    deadline = time.monotonic() + seconds
    while True:
        response, body = site.get(address)
        if response.headers["X-Cache"] == wanted:
            assert response.status == 200
            return body
        assert time.monotonic() < deadline, f"{address}: {response.headers['X-Cache']}"
        time.sleep(0.2)


def test_second_visitor_is_answered_without_django(site: Any, page: str) -> None:
    first, body = site.get(page)
    second, again = site.get(page)
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("MISS", "HIT")
    assert body == again
    # HEAD is answered from the same page, and another query is another page.
    assert state(site, page, method="HEAD") == "HIT"
    assert state(site, f"{page}&more=1") == "MISS"


def test_whoever_may_be_somebody_is_sent_on_to_django(site: Any, page: str) -> None:
    site.get(page)
    assert state(site, page) == "HIT"
    assert state(site, page, Cookie="anything=1") == "BYPASS"
    assert state(site, page, Authorization="Basic eDp5") == "BYPASS"
    # Nor is what they get kept for others.
    other = f"{page}&other=1"
    assert state(site, other, Cookie="anything=1") == "BYPASS"
    assert state(site, other) == "MISS"


def test_answer_with_a_cookie_is_never_kept(site: Any, cached: dict[str, int]) -> None:
    for path in cached:
        answers = [site.get(path)[0] for _ in range(3)]
        if answers[0].headers["Set-Cookie"]:
            tokens = {answer.headers["Set-Cookie"] for answer in answers}
            assert len(tokens) == 3
            assert {answer.headers["X-Cache"] for answer in answers} == {"MISS"}
            return
    pytest.skip("no cached prefix is a page that sets a cookie")


def test_other_pages_know_nothing_of_it(site: Any, cached: dict[str, int]) -> None:
    if "/" in cached:
        pytest.skip("every page is cached")
    assert site.get("/")[0].headers["X-Cache"] is None


def test_address_without_the_slash_is_django_s_business(
    site: Any, cached: dict[str, int], project: str
) -> None:
    if project != "orchard" or "/guide/" not in cached:
        pytest.skip("needs a page of the example project")
    # With `CommonMiddleware`, which redirects by a path alone; nginx would name itself.
    response, _ = site.get("/guide")
    assert (response.status, response.headers["Location"]) == (301, "/guide/")


def test_old_page_is_shown_while_the_new_one_is_fetched(
    site: Any, cached: dict[str, int], project: str
) -> None:
    if project != "orchard" or cached.get("/harvest/", 99) > 5:
        pytest.skip("needs a page of the example project that expires soon")
    address = f"/harvest/?test={uuid.uuid4().hex}"
    site.get(address)
    wait_for_state(site, address, "STALE")
    wait_for_state(site, address, "HIT")


@pytest.mark.breaks
def test_pages_answer_with_django_stopped(
    site: Any, app: Any, project: str, cached: dict[str, int], page: str, is_lab: bool
) -> None:
    if not is_lab:
        pytest.skip("breaks things, so only in a lab")
    shown = site.get(page)[1]
    if project == "orchard" and "/harvest/" in cached:
        site.get("/harvest/")
    units = f"{project}-web@blue {project}-web@green"
    app.check_output(f"systemctl stop {units}")
    try:
        assert site.get("/")[0].status == 502
        assert site.get(page)[1] == shown
        if project == "orchard" and "/harvest/" in cached:
            # Its second is long over; better old than an error.
            time.sleep(cached["/harvest/"] + 1)
            for _ in range(3):
                response, _ = site.get("/harvest/")
                assert response.status == 200
                assert response.headers["X-Cache"] in ("STALE", "UPDATING")
    finally:
        app.check_output("release --project %s restart", project)
    assert site.get("/")[0].status == 200


def test_release_and_rollback_purge_the_pages_of_the_other(
    site: Any,
    page: str,
    server: Any,  # noqa: F811
    variant: Callable[..., str],  # noqa: F811
    release: Any,
    uninterrupted: Any,
) -> None:
    words = b"The medlars are bletted."
    for _ in range(2):
        assert words not in site.get(page)[1]
    assert state(site, page) == "HIT"

    archive = variant({EVERY_PAGE: f"<p>{words.decode()}</p>"})
    assert release("deploy", archive, "--id", "test-medlar")["status"] == 0
    for expected in ("MISS", "HIT"):
        response, body = site.get(page)
        assert response.headers["X-Cache"] == expected
        assert words in body

    assert release("rollback")["status"] == 0
    for expected in ("MISS", "HIT"):
        response, body = site.get(page)
        assert response.headers["X-Cache"] == expected
        assert words not in body
