"""URLs of databases, and what Django may do through a pool."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from espalier.wiring.databases import (
    database_environment,
    database_logins,
    database_user,
    databases,
)
from espalier_overlay.database import parse_url

from .links import link

PRIMARY = link("db1/postgresql_primary", "10.0.0.3", 5432, "queries")
SOCKET = link("app1/pgbouncer", "/run/pgbouncer", 6432, "queries")
READS = [
    link("db2/pgbouncer", "10.0.0.4", 6432, "reads"),
    link("db3/pgbouncer", "10.0.0.5", 6432, "reads"),
]
DIRECT = link("app1/postgresql_primary", "/run/postgresql", 5432, "migrations")

VERIFIED = "?sslmode=verify-full&sslrootcert=/etc/espalier/tls/authority.crt"


def test_database_on_another_machine_is_reached_over_tls() -> None:
    assert databases({"queries": [PRIMARY], "media": []}, "shop", "shop", "secret") == [
        {
            "purpose": "queries",
            "machine": "db1",
            "url": f"postgresql://shop:secret@10.0.0.3:5432/shop{VERIFIED}",
        }
    ]


def test_password_of_the_users_own_may_hold_what_separates_the_parts_of_a_url() -> None:
    (found,) = databases({"queries": [SOCKET]}, "shop", "shop", "p@ss/w:rd?#%20")
    assert parse_url(found["url"])["PASSWORD"] == "p@ss/w:rd?#%20"
    assert urlsplit(found["url"]).path == "/shop"


def test_either_login_leads_to_the_same_database() -> None:
    assert database_logins("shop") == ["shop", "espalier_login_shop"]
    # Roles of the kit's own, which are no logins that take turns.
    for project in ("pooler", "replication"):
        assert f"espalier_{project}" not in database_logins(project)
    user = database_user("shop", "second")
    (found,) = databases({"queries": [SOCKET]}, "shop", user, "secret")
    assert found["url"] == "postgresql://espalier_login_shop:secret@%2Frun%2Fpgbouncer:6432/shop"
    with pytest.raises(ValueError, match="database_login is 'third': write first or second"):
        database_user("shop", "third")


def test_baseline_names_one_database_twice_and_no_tier() -> None:
    found = databases({"queries": [PRIMARY]}, "shop", "shop", "secret")
    url = f"postgresql://shop:secret@10.0.0.3:5432/shop{VERIFIED}"
    assert database_environment(found, pooled=False, prepared_statements=False) == {
        "ESPALIER_DATABASE_URL": url,
        "DATABASE_URL": url,
        "ESPALIER_DATABASE_HOST": "10.0.0.3",
        "ESPALIER_DATABASE_PORT": "5432",
        "ESPALIER_DATABASE_NAME": "shop",
        "ESPALIER_DATABASE_USER": "shop",
        "ESPALIER_DATABASE_PASSWORD": "secret",
    }


def test_pool_and_replicas_are_told_with_the_address_that_bypasses_the_pool() -> None:
    links = {"queries": [SOCKET], "reads": READS, "migrations": [DIRECT]}
    found = databases(links, "shop", "shop", "secret")
    direct = "postgresql://shop:secret@%2Frun%2Fpostgresql:5432/shop"
    assert database_environment(found, pooled=True, prepared_statements=True) == {
        "ESPALIER_DATABASE_URL": "postgresql://shop:secret@%2Frun%2Fpgbouncer:6432/shop",
        "DATABASE_URL": direct,
        "ESPALIER_DATABASE_HOST": "/run/postgresql",
        "ESPALIER_DATABASE_PORT": "5432",
        "ESPALIER_DATABASE_NAME": "shop",
        "ESPALIER_DATABASE_USER": "shop",
        "ESPALIER_DATABASE_PASSWORD": "secret",
        "ESPALIER_REPLICA_URLS": (
            f"db2=postgresql://shop:secret@10.0.0.4:6432/shop{VERIFIED} "
            f"db3=postgresql://shop:secret@10.0.0.5:6432/shop{VERIFIED}"
        ),
        "ESPALIER_REPLICA_MAX_LAG": "10",
        "ESPALIER_DIRECT_DATABASE_URL": direct,
        "ESPALIER_POOLER": "transaction",
        "ESPALIER_PREPARED_STATEMENTS": "1",
    }
    older = database_environment(found, pooled=True, prepared_statements=False)
    assert "ESPALIER_PREPARED_STATEMENTS" not in older


def test_other_databases_are_asked_past_the_pool() -> None:
    found = databases({"queries": [SOCKET], "migrations": [DIRECT]}, "shop", "shop", "x")
    told = database_environment(found, True, False, ["analytics"])
    direct = told["ESPALIER_DIRECT_DATABASE_URL"]
    assert told["ESPALIER_DATABASE_ANALYTICS_URL"] == direct.removesuffix("shop") + "analytics"
