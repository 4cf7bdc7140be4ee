"""What a project asks of its database: extensions, users who only read, other databases."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from espalier.environment import plain_environment
from tests.infra.conftest import ROOT, playbook

testinfra_hosts = ["ansible://postgresql_primary"]


def test_extensions_are_there_and_a_page_needs_them(
    declared: dict[str, Any], host: Any, site: Any, project: str
) -> None:
    if project != "places":
        pytest.skip("only the project of the scenario `integrations` has maps")
    names = host.check_output(
        "runuser -u postgres -- psql -XAt %s -c 'SELECT extname FROM pg_extension'", project
    ).split()
    assert {"postgis", "vector", "pg_trgm"} <= set(names)
    response, body = site.get("/")
    assert response.status == 200
    assert b">London<" in body


def test_owner_may_not_create_an_extension_that_is_not_trusted(python: Any, project: str) -> None:
    if project != "places":
        pytest.skip("only the project of the scenario `integrations` has maps")
    said = python(
        "import django, json; django.setup()\n"
        "from django.db import connection\n"
        "try: connection.cursor().execute('CREATE EXTENSION dblink')\n"
        "except Exception as error: print(json.dumps(str(error)))"
    )
    assert "permission denied to create extension" in said


@pytest.mark.breaks
def test_no_extension_is_made_beside_functions_that_could_mislead_it(
    host: Any, inventory_path: str, project: str
) -> None:
    if project != "places":
        pytest.skip("only the project of the scenario `integrations` has maps")
    psql = f"runuser -u postgres -- psql -XAt {project} -c %s"
    host.check_output(
        psql, "CREATE FUNCTION format(integer) RETURNS text LANGUAGE sql AS 'SELECT 1'"
    )
    host.check_output(psql, f"ALTER FUNCTION format(integer) OWNER TO {project}")
    wanted = json.dumps({"postgresql_extensions": ["postgis", "vector", "dblink"]})
    try:
        done = subprocess.run(
            playbook(inventory_path, "--tags", "postgresql", "--extra-vars", wanted),
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=plain_environment(),
        )
        assert done.returncode != 0
        assert "functions of the project's own in its schema public (format)" in done.stdout
    finally:
        host.check_output(psql, "DROP FUNCTION format(integer)")
    names = host.check_output(psql, "SELECT extname FROM pg_extension")
    assert "dblink" not in names.split()


def reader_password(inventory_path: str) -> str:
    """What `espalier secrets show` prints."""
    program = str(Path(sys.executable).with_name("espalier"))
    words = [program, "secrets", "show", "reader_password", "-i", inventory_path]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return shown.stdout.strip()


@pytest.fixture
def reader(declared: dict[str, Any], host: Any, inventory_path: str) -> Callable[..., Any]:
    """Ask a database as a user who may only read, on the primary or over the network."""
    readers = (declared.get("database") or {}).get("readers")
    if not readers:
        pytest.skip("this site's database has no readers")

    def ask(statement: str, database: str = "places", address: str = "/run/postgresql") -> Any:
        return host.run(
            "PGPASSWORD=%s psql -XAt -h %s -U %s -d %s -c %s",
            reader_password(inventory_path),
            address,
            next(iter(readers)),
            database,
            statement,
        )

    return ask


def test_a_reader_reads_every_table_and_changes_none(
    reader: Callable[..., Any], python: Any, host: Any, project: str
) -> None:
    assert reader("SELECT name FROM places_place ORDER BY 1").stdout.split() == ["London", "Paris"]
    refused = "permission denied"
    assert refused in reader("DELETE FROM places_place").stderr
    assert refused in reader("CREATE TABLE mine (a integer)").stderr
    assert refused in reader("SELECT rolpassword FROM pg_authid").stderr
    # A table that the project makes later, by whichever login.
    sql = "import django; django.setup()\nfrom django.db import connection\n"
    run = sql + "connection.cursor().execute({!r})"
    python(run.format("CREATE TABLE later AS SELECT 7 AS number"))
    try:
        assert reader("SELECT number FROM later").stdout.strip() == "7"
    finally:
        python(run.format("DROP TABLE later"))


def test_a_reader_comes_from_its_own_addresses_only(
    reader: Callable[..., Any], declared: dict[str, Any], hostvars: dict[str, Any], topology: Any
) -> None:
    primary = hostvars[topology["services"]["postgresql_primary"][0]]
    if primary["private_address"] in str(declared["database"]["readers"]):
        pytest.skip("the primary is itself a machine that reads")
    said = reader("SELECT 1", address=primary["private_address"]).stderr
    assert "no pg_hba.conf entry" in said


@pytest.fixture
def from_here(
    declared: dict[str, Any], hostvars: dict[str, Any], topology: Any, inventory_path: str
) -> Callable[..., Any]:
    """Ask the primary as a reader over the network, from this machine; gives the first value."""
    readers = (declared.get("database") or {}).get("readers") or {}
    primary = hostvars[topology["services"]["postgresql_primary"][0]]["private_address"]
    lab = primary.rpartition(".")[0] + ".1"
    if lab not in str(readers):
        pytest.skip("this machine may not read")

    def ask(statement: str, password: str = "", sslmode: str = "require") -> Any:
        given = password or reader_password(inventory_path)
        with psycopg.connect(
            host=primary,
            user=next(iter(readers)),
            password=given,
            dbname="places",
            sslmode=sslmode,
        ) as connection:
            return connection.execute(statement).fetchone()[0]

    return ask


def test_a_reader_comes_over_the_network_by_tls_alone(from_here: Callable[..., Any]) -> None:
    assert from_here("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    assert from_here("SELECT count(*) FROM places_place") == 2
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        from_here("SELECT 1", sslmode="disable")


@pytest.mark.breaks
def test_the_password_of_readers_is_rotated_while_visitors_come(
    from_here: Callable[..., Any], inventory_path: str, uninterrupted: Any
) -> None:
    old = reader_password(inventory_path)
    program = str(Path(sys.executable).with_name("espalier"))
    done = subprocess.run(
        [program, "secrets", "rotate", "reader_password", "-i", inventory_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=plain_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    new = reader_password(inventory_path)
    assert new != old
    assert old not in done.stdout + done.stderr
    assert new not in done.stdout + done.stderr
    assert from_here("SELECT 1") == 1
    with pytest.raises(psycopg.OperationalError):
        from_here("SELECT 1", password=old)


def test_another_database_is_the_owner_s_and_the_project_knows_where(
    declared: dict[str, Any], python: Any
) -> None:
    more = (declared.get("database") or {}).get("databases")
    if not more:
        pytest.skip("this site has one database")
    found = python(
        "import json, os, psycopg\n"
        f"url = os.environ['ESPALIER_DATABASE_{more[0].upper()}_URL']\n"
        "with psycopg.connect(url) as connection:\n"
        "    connection.execute('CREATE TABLE t AS SELECT 1')\n"
        "    connection.rollback()\n"
        "    print(json.dumps(connection.info.dbname))"
    )
    assert found == more[0]
