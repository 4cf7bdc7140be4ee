"""Facts that stand in one place: releases of Debian, servers, directories."""

from __future__ import annotations

import pytest

from espalier.wiring.debian import RELEASES, debian, debian_names
from espalier.wiring.directories import project_directories
from espalier.wiring.requirements import kit_requirements


def test_older_debian_has_older_services() -> None:
    assert debian("bookworm") == {
        "version": 12,
        "python": "3.11",
        "postgresql": 15,
        "pgbouncer_prepared_statements": 0,
        "nginx_http2_directive": False,
        "nginx_http3": False,
        "tls_groups": ["X25519", "prime256v1", "secp384r1"],
        "zones_package": "tzdata",
        "locale_file": "/etc/default/locale",
        "pgbackrest_sftp": False,
        "pgbackrest_addresses": False,
        "ssh_has_penalties": False,
    }
    assert debian("trixie")["postgresql"] == 17


def test_releases_have_the_names_that_people_use() -> None:
    assert debian_names(RELEASES) == "Debian 12 (bookworm) and Debian 13 (trixie)"


def test_unknown_release_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="bookworm, trixie, not noble"):
        debian("noble")


def test_each_server_brings_itself_and_what_every_project_needs() -> None:
    found = kit_requirements({"directory": "shop"})
    assert list(found) == ["gunicorn", "uvicorn", "granian", "uwsgi"]
    names = [[package.split("==")[0] for package in found[server]] for server in found]
    common = ["psycopg[binary]", "psycopg-pool", "redis", "django-migration-linter"]
    assert names == [
        ["gunicorn", *common],
        ["uvicorn", "websockets", *common],
        ["granian", *common],
        ["pyuwsgi", *common],
    ]


def test_object_store_needs_a_package_more() -> None:
    found = kit_requirements({"media_s3": {"bucket": "shop"}})
    assert all(packages[-1].startswith("django-storages[s3]==") for packages in found.values())


def test_project_is_below_srv() -> None:
    found = project_directories("shop")
    assert (found["root"], found["archives"]) == ("/srv/shop", "/srv/shop/archives")
    assert (found["socket"], found["settings"]) == ("/srv/shop/web.sock", "/etc/espalier/shop")
