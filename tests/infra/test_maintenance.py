"""The site is closed for maintenance, as a whole or below a path, and opened again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.breaks


@pytest.fixture
def web(machine: Any, topology: Any) -> Any:
    """The web machine that the tests visit."""
    return machine(topology["services"]["nginx"][0])


@pytest.fixture
def maintenance(web: Any) -> Iterator[Any]:
    """Run the command on the web machine; afterwards the site is open."""
    yield lambda *words: web.run("maintenance " + " ".join(["%s"] * len(words)), *words)
    for line in web.check_output("maintenance status").splitlines():
        web.check_output("maintenance off %s", line.split()[0])


def test_closed_site_says_when_to_come_back_and_answers_probes(
    maintenance: Any, site: Any, web: Any
) -> None:
    assert maintenance("on", "/", "120").rc == 0
    for path in ("/", "/admin/login/", "/static/none.css"):
        response, body = site.get(path)
        assert (response.status, response.headers["Retry-After"]) == (503, "120"), path
        assert b"Back soon" in body
    probe = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/-/ready').status)"
    assert web.check_output("python3 -c %s", probe) == "200"
    assert "/ is closed, come back after 120 s" in maintenance("status").stdout
    assert maintenance("off", "/").rc == 0
    assert site.get("/")[0].status == 200
    assert maintenance("status").stdout == ""


def test_path_is_closed_alone(maintenance: Any, site: Any) -> None:
    assert maintenance("on", "/admin/").rc == 0
    assert site.get("/admin/login/")[0].status == 503
    assert site.get("/")[0].status == 200
    assert maintenance("on", "/v1.0/").rc == 0
    assert site.get("/v1.0/x")[0].status == 503
    assert site.get("/v1x0/x")[0].status != 503
    assert maintenance("off", "/admin/").rc == 0
    assert site.get("/admin/login/")[0].status != 503
    assert site.get("/v1.0/x")[0].status == 503


@pytest.mark.parametrize("path", ["shop", "/-/ready", "/a b", '/";'])
def test_what_is_no_path_is_refused(maintenance: Any, site: Any, path: str) -> None:
    assert maintenance("on", path).rc == 2
    assert site.get("/")[0].status == 200
