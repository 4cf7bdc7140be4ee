"""How the role `postgresql` makes hypopg, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from espalier.paths import ROLES
from overlay.tests.servers import INITDB, PostgreSQL

psycopg = pytest.importorskip("psycopg")
CONTROL = Path("/usr/share/postgresql", *[one.parents[1].name for one in INITDB[-1:]])
pytestmark = pytest.mark.skipif(
    not (INITDB and (CONTROL / "extension/hypopg.control").exists()),
    reason="PostgreSQL with hypopg is not installed",
)
MAKE = yaml.safe_load((ROLES / "postgresql/vars/main.yml").read_text())["__postgresql_make_hypopg"]
WHERE = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'hypopg'"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server with the project's role."""
    found = PostgreSQL()
    try:
        found.create()
        with psycopg.connect(found.admin(), autocommit=True) as admin:
            admin.execute("CREATE ROLE shop LOGIN")
        yield found
    finally:
        found.remove()


@pytest.fixture
def database(server: PostgreSQL) -> Iterator[Any]:
    """Connections to a new database of the project's: `admin`'s and `owner`'s."""
    with psycopg.connect(server.admin(), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS shop WITH (FORCE)")
        admin.execute("CREATE DATABASE shop OWNER shop")
    with (
        psycopg.connect(server.admin("shop"), autocommit=True) as admin,
        psycopg.connect(server.admin("shop"), user="shop", autocommit=True) as owner,
    ):
        yield admin, owner


def test_it_is_made_once_where_the_owner_can_put_nothing(database: Any) -> None:
    admin, owner = database
    for _ in range(2):
        admin.execute(MAKE)
        assert admin.execute(WHERE).fetchall() == [("espalier_insight",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("CREATE FUNCTION espalier_insight.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    owner.execute("CREATE TABLE tree (height int)")
    owner.execute("INSERT INTO tree SELECT generate_series(1, 10000)")
    admin.execute("ANALYZE tree")
    admin.execute("SELECT espalier_insight.hypopg_create_index('CREATE INDEX ON tree (height)')")
    plan = admin.execute("EXPLAIN SELECT FROM tree WHERE height = 5").fetchone()[0]
    assert "tree_height" in plan


def test_that_of_the_project_s_own_stays_where_it_is(database: Any) -> None:
    admin, _ = database
    admin.execute("CREATE EXTENSION hypopg SCHEMA public")
    admin.execute(MAKE)
    assert admin.execute(WHERE).fetchall() == [("public",)]


def test_a_schema_that_came_with_a_dump_makes_room_and_a_used_one_does_not(database: Any) -> None:
    admin, owner = database
    owner.execute("CREATE SCHEMA espalier_insight")
    owner.execute("CREATE TABLE espalier_insight.mine (a int)")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        admin.execute(MAKE)
    assert admin.execute(WHERE).fetchall() == []
    owner.execute("DROP TABLE espalier_insight.mine")
    admin.execute(MAKE)
    assert admin.execute(WHERE).fetchall() == [("espalier_insight",)]
    owners = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'espalier_insight'"
    assert admin.execute(owners).fetchall() == [("postgres",)]
