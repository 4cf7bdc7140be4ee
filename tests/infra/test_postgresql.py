"""What PostgreSQL does and refuses."""

from __future__ import annotations

import uuid
from typing import Any

testinfra_hosts = ["ansible://postgresql_primary"]


def query(host: Any, sql: str, database: str = "postgres") -> str:
    """Ask PostgreSQL as its administrator."""
    return host.check_output(
        "runuser -u postgres -- psql -X -A -t -d %s -c %s", database, sql
    ).strip()


def test_checksums_guard_the_data(host: Any) -> None:
    assert query(host, "SHOW data_checksums") == "on"


def test_time_zones_have_the_names_that_settings_still_have(host: Any) -> None:
    asked = "runuser -u postgres -- psql -XAtc %s"
    moment = "SET TIME ZONE 'US/Eastern'; SELECT to_char('2026-07-01 12:00Z'::timestamptz, 'HH24')"
    assert host.check_output(asked, moment).split() == ["SET", "08"]


def test_django_is_connected_under_its_own_name(host: Any, project: str, site: Any) -> None:
    site.get("/")
    rows = query(host, f"SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = '{project}'")
    assert {project, f"espalier_login_{project}"} & set(rows.splitlines())


def test_password_is_needed_and_checked(host: Any, project: str) -> None:
    connect = "psql -X -h /run/postgresql -U %s -d %s -c 'SELECT 1'"
    assert host.run(f"PGPASSWORD=wrong {connect}", project, project).rc != 0
    assert host.run(f"runuser -u nobody -- {connect} -w", project, project).rc != 0


def test_django_s_role_is_no_administrator(host: Any, project: str) -> None:
    flags = query(
        host,
        "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles "
        f"WHERE rolname IN ('{project}', 'espalier_login_{project}')",
    )
    assert set(flags.splitlines()) == {"f|f|f"}
    verifier = query(host, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{project}'")
    assert verifier.startswith("SCRAM-SHA-256$")


def test_queries_are_counted(host: Any, project: str) -> None:
    # PostgreSQL counts queries as one that differ only in constants and aliases.
    sql = "SELECT relname, relkind, relpages FROM pg_class LIMIT 1"
    count = (
        "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements "
        "WHERE query LIKE 'SELECT relname, relkind, relpages FROM pg_class LIMIT %'"
    )
    before = int(query(host, count, project))
    query(host, sql, project)
    assert int(query(host, count, project)) == before + 1


def test_slow_queries_are_logged(host: Any) -> None:
    mark = f"m{uuid.uuid4().hex}"
    query(host, f"SELECT pg_sleep(0.7) AS {mark}")
    assert mark in host.check_output("cat /var/log/postgresql/*.log")


def test_memory_settings_fit_the_machine(host: Any, hostvars: Any) -> None:
    name = host.backend.host
    memory = hostvars[name].get("memory_mb")
    if memory:
        buffers = int(
            query(
                host,
                "SELECT setting::bigint * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'",
            )
        )
        assert memory // 10 <= buffers <= memory // 4


def test_no_setting_waits_for_a_restart(host: Any) -> None:
    assert query(host, "SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"


def test_listens_only_where_the_topology_says(host: Any, topology: Any) -> None:
    endpoints = topology["machines"][host.backend.host]["listens"]["postgresql_primary"]
    expected = ",".join(e["address"] for e in endpoints if not e["address"].startswith("/"))
    assert query(host, "SHOW listen_addresses") == expected
