"""The URL of a database elsewhere."""

from __future__ import annotations

import pytest

from espalier.arriving.url import parse
from espalier.inventory.site import SiteError

HEROKU = (
    "postgres://uabc:p%40ss%3Aword@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d9f?sslmode=require"
)


def test_url_becomes_a_service_of_libpq() -> None:
    assert parse(HEROKU).service() == (
        "[source]\nhost=ec2-1-2-3-4.compute-1.amazonaws.com\nport=5432\ndbname=d9f\nuser=uabc\n"
        "password=p@ss:word\nsslmode=require\n"
    )


def test_tunnel_keeps_the_name_that_the_certificate_has() -> None:
    service = parse(HEROKU).service(tunnel=40001)
    assert "host=ec2-1-2-3-4.compute-1.amazonaws.com\nport=40001\nhostaddr=127.0.0.1\n" in service


def test_password_is_in_no_repr() -> None:
    assert "p@ss" not in repr(parse(HEROKU))


def test_settings_of_frameworks_are_no_settings_of_libpq() -> None:
    found = parse("postgis://me@db/shop?conn_max_age=600&sslmode=prefer&sslrootcert=/etc/ca.pem")
    assert found.settings == (("sslmode", "prefer"),)
    assert (found.port, found.password) == (5432, "")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///db.sqlite3", "dumpdata"),
        ("mysql://me:secret@db/shop", "pgloader"),
        ("mysql+pymysql://me:secret@db/shop", "pgloader"),
        ("oracle://me:secret@db/shop", "begins with oracle://"),
        ("postgres://me:secret@db", "has no database"),
        ("postgres://db/shop", "has no user"),
        ("postgres:///shop", "has no host"),
        ("postgres://me:secret@db:no/shop", "port"),
        ("postgres://me:sec%0Aret@db/shop", "end of a line"),
        ("postgres://me:secret[1@db/shop", "%5B for"),
        ("postgres://me:secret℀@db/shop", "cannot be read"),
    ],
)
def test_refused_with_a_sentence_that_has_no_password(url: str, sentence: str) -> None:
    with pytest.raises(SiteError, match=sentence) as refused:
        parse(url)
    assert refused.value.status == 2
    assert "secret" not in str(refused.value)
