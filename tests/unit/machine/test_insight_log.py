"""Requests of nginx's log: what is told of them, and what is never told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from espalier.insight.recording import Request
from espalier_machine.insight import log, mask

TIMING = (
    "view=garden:tree;app=0.012345;cpu=0.0041;wait=0.0002;db=0.0031;queries=7;writes=1;connects=1;"
    "connecting=0.002;cache=0.0004;hits=3;misses=1;outside=0.5;pid=123"
)
LINE = {
    "time": "2026-12-01T04:15:00+00:00",
    "client": "192.0.2.7",
    "method": "GET",
    "host": "shop.example",
    "uri": "/trees/17/?q=name@example.org",
    "protocol": "HTTP/2.0",
    "status": 200,
    "bytes": 5120,
    "request_time": 0.040,
    "upstream_time": "0.004, 0.020",
    "upstream": "10.0.0.2:8000, unix:/run/shop/web.sock",
    "upstream_status": "502, 200",
    "cache": "MISS",
    "request_id": "0123",
    "referer": "",
    "user_agent": "a browser",
    "connect_time": "-, 0.001",
    "header_time": "-, 0.019",
    "timing": TIMING,
    "personal": "yes",
}


def line(**changed: Any) -> bytes:
    return json.dumps(LINE | changed, separators=(",", ":")).encode() + b"\n"


def read(**changed: Any) -> Request:
    row = log.request(line(**changed), "salt")
    assert row is not None
    return Request(*row)


def test_whole_request() -> None:
    assert read() == Request(
        t=1796098500.0,
        path="/trees/17/",
        key="909afa01ccb396d7",
        method="GET",
        status=200,
        bytes=5120,
        took=0.04,
        upstream=pytest.approx(0.024),
        connect=0.001,
        cache="MISS",
        personal=True,
        target="unix:/run/shop/web.sock",
        view="garden:tree",
        app=0.012345,
        cpu=0.0041,
        waited=0.0002,
        database=pytest.approx(0.0051),  # with what connecting took
        queries=7,
        writes=1,
        connects=1,
        connecting=0.002,
        caching=0.0004,
        hits=3,
        misses=1,
        outside=0.5,
        pid=123,
    )


def test_line_of_an_nginx_of_before() -> None:
    old = {name: value for name, value in LINE.items() if name not in list(LINE)[-4:]}
    row = log.request(json.dumps(old).encode(), "salt")
    assert row is not None
    found = Request(*row)
    assert (found.upstream, found.app, found.view, found.connect) == (
        pytest.approx(0.024),
        None,
        "",
        0,
    )


def test_answer_of_a_cache_has_no_timing_of_its_own() -> None:
    found = read(upstream_time="-", upstream="-", cache="HIT")
    assert (found.upstream, found.app, found.view, found.target) == (None, None, "", "")
    assert found.cache == "HIT"


def test_key_goes_by_host_query_and_salt() -> None:
    keys = {
        read().key,
        read(uri="/trees/17/").key,
        read(host="www.shop.example").key,
        Request(*(log.request(line(), "other") or [])).key,
    }
    assert len(keys) == 4


@pytest.mark.parametrize("broken", [b"", b"{}", b"not json\n", line()[:80], b'{"time": 3}'])
def test_line_that_is_none_is_left_out(broken: bytes) -> None:
    assert log.request(broken, "") is None


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("/trees/123456789012345678901234/", "/trees/123456789012345678901234/"),
        ("/how-to-build-a-great-django-site/", "/how-to-build-a-great-django-site/"),
        ("/news/2026-12-01-espalier-has-news/", "/news/2026-12-01-espalier-has-news/"),
        ("/reset/MQ/c8y5gi-1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f/", "/reset/MQ/*/"),
        ("/i/0b5ad6b2-3a3e-4b8e-8f8e-1f6f4b1d9c11/", "/i/*/"),
        ("/i/deadbeefdeadbeefdeadbeefdead/", "/i/*/"),
        ("/confirm/1:1kXyzA:aBcDeFgHiJkLmNoPqRsTuVwXyZ012345/", "/confirm/*/"),
        ("/jwt/eyJhbGciOiJIUzI1NiJ9xx.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl", "/jwt/*"),
        ("/user/anna%40example.org/x", "/user/*/x"),
        ("/user/anna@example.org?token=secret", "/user/*"),
        ("/@anna/", "/@anna/"),
        (
            "/%D0%B4%D0%B5%D1%80%D0%B5%D0%B2%D1%8C%D1%8F/",
            "/%D0%B4%D0%B5%D1%80%D0%B5%D0%B2%D1%8C%D1%8F/",
        ),
    ],
)
def test_path_has_no_token_address_or_query(uri: str, shown: str) -> None:
    assert mask.path(uri) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "SELECT * FROM t WHERE a = 'it''s secret' AND b = 4711",
            "SELECT * FROM t WHERE a = ? AND b = ?",
        ),
        ("SELECT $1, a1 FROM t2 -- secret\nWHERE x = 1.5e3", "SELECT $1, a1 FROM t2 WHERE x = ?"),
        (
            "INSERT INTO \"t 1\" VALUES (E'a\\'b', $$x$$, $t$y$t$)",
            'INSERT INTO "t 1" VALUES (?, ?, ?)',
        ),
        ("UPDATE t SET mail = 'anna@example.o", "UPDATE t SET mail = ?"),
        ("SELECT 1 /* espalier request=ab at=x.py:1 */", "SELECT ?"),
    ],
)
def test_statement_has_no_literals(text: str, shown: str) -> None:
    assert mask.statement(text) == shown


def rows(found: log.Log, every: int = 1) -> list[str]:
    return [Request(*row).path for row in found.rows("", every)]


def test_only_what_came_meanwhile_is_told_and_no_probe(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    file.write_bytes(line(uri="/before/"))
    known = log.Log(file)
    with file.open("ab") as stream:
        for uri in ("/a/", "/-/alive", "/-/ready?x", "/-/other", "/b/"):
            stream.write(line(uri=uri))
    assert rows(known) == ["/a/", "/-/other", "/b/"]


def test_rotation_meanwhile_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    file.write_bytes(line(uri="/before/"))
    known = log.Log(file)
    with file.open("ab") as stream:
        stream.write(line(uri="/old/"))
    (tmp_path / "access.log.1").write_bytes(line(uri="/yesterday/"))
    (tmp_path / "access.log.1").rename(tmp_path / "access.log.2")
    file.rename(tmp_path / "access.log.1")
    file.write_bytes(line(uri="/new/"))
    assert rows(known) == ["/old/", "/new/"]


def test_log_that_was_cut_is_read_from_its_begin(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    file.write_bytes(line(uri="/before/") * 5)
    known = log.Log(file)
    file.write_bytes(line(uri="/new/"))
    assert rows(known) == ["/new/"]


def test_many_requests_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST", 10)
    file = tmp_path / "access.log"
    known = log.Log(file)
    file.write_bytes(b"".join(line(uri=f"/{number}/") for number in range(25)))
    assert known.every() == 3
    assert rows(known, 3) == [f"/{number}/" for number in range(0, 25, 3)]
