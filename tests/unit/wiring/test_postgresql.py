"""Numbers that PostgreSQL reads at its start, and commands around a restart."""

from __future__ import annotations

from espalier.wiring.postgresql import (
    changed_settings,
    extension_packages,
    max_connections,
    max_worker_processes,
    missing_extensions,
    own_functions_query,
    pool_commands,
    restart_script,
)


def test_connections_suffice_for_two_releases_at_once() -> None:
    big = {"cores": 32, "workers": 33, "threads": 4}
    small_memory = {"cores": 32, "workers": 2, "threads": 4}
    assert max_connections([big]) == 350  # 20 + 2 * 33 * 5
    assert max_connections([small_memory]) == 350
    assert max_connections([big, big]) == 680
    assert max_connections([{"cores": 2, "workers": 3, "threads": 4}]) == 200


def test_replica_has_no_fewer_processes_than_its_primary() -> None:
    assert max_worker_processes([2, 32]) == 32
    assert max_worker_processes([2]) == 8


def test_functions_are_looked_for_only_beside_what_is_still_to_be_made() -> None:
    query = own_functions_query(["postgis", "uuid-ossp"])
    assert "unnest('{postgis,uuid-ossp}'::text[]) AS wanted" in query
    assert "unnest('{}'::text[])" in own_functions_query([])


def test_pool_holds_its_clients_for_a_bounded_time() -> None:
    psql = "psql -X -h /run/pgbouncer -p 6432 -U pgbouncer -d pgbouncer -c"
    as_postgres = ["runuser", "-u", "postgres", "--", "sh", "-c"]
    services = ["pgbouncer", "postgresql_primary"]
    assert pool_commands(services, "PAUSE") == [[*as_postgres, f"timeout 20 {psql} PAUSE || true"]]
    assert pool_commands(services, "RESUME") == [[*as_postgres, f"{psql} RESUME || true"]]
    assert pool_commands(["postgresql_primary"], "PAUSE") == []


def test_restart_stands_between_commands_and_gives_its_own_status() -> None:
    pause = ["runuser", "-u", "postgres", "--", "sh", "-c", "timeout 20 psql -c PAUSE || true"]
    assert restart_script("postgresql@17-main", [pause], [["echo", "it's back"]]) == (
        "runuser -u postgres -- sh -c 'timeout 20 psql -c PAUSE || true'; "
        "systemctl restart postgresql@17-main && status=0 || status=1; "
        "echo 'it'\"'\"'s back'; exit $status"
    )
    assert restart_script("postgresql@15-main", [], []) == (
        "systemctl restart postgresql@15-main && status=0 || status=1; exit $status"
    )


def test_settings_that_differ_are_found_in_one_file_only() -> None:
    diff = [
        {"after_header": "/other", "before": "", "after": "port = 1\n"},
        {
            "after_header": "/espalier.conf",
            "before": "# comment\nport = 5432\njit = off\nwal_level = replica\n",
            "after": "# another\nport = 5433\njit = off\npg_stat_statements.track = 'all'\n",
        },
    ]
    assert changed_settings(diff, "/espalier.conf") == [
        "port",
        "wal_level",
        "pg_stat_statements.track",
    ]


def test_extensions_bring_the_packages_of_the_machine_s_postgresql() -> None:
    names = ["postgis", "postgis_raster", "vector", "pg_trgm"]
    expected = ["postgresql-17-postgis-3", "postgresql-17-pgvector"]
    assert extension_packages(names, 17) == expected
    assert missing_extensions(names, 17) == []
    assert missing_extensions(names, 15) == ["vector"]
