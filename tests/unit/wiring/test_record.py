"""What a run leaves on a machine, and what it takes away."""

from __future__ import annotations

from espalier.wiring.record import (
    Record,
    allowed_clients,
    new_replicas,
    record_during_run,
    record_without_database,
    role,
    roles_losing_clients,
    services_leaving,
)
from espalier.wiring.tunnel import Tunnel

ENTRANCE: Tunnel = {
    "name": "redis-entrance",
    "is_entrance": True,
    "listens": [{"address": "127.0.0.1", "port": 6390}],
    "to": {"address": "10.0.0.3", "port": 6390},
    "retries": 0,
}
EXIT: Tunnel = {
    "name": "redis-exit",
    "is_entrance": False,
    "listens": [{"address": "10.0.0.1", "port": 6390}],
    "to": {"address": "127.0.0.1", "port": 6379},
    "retries": 0,
}


def test_every_access_is_a_role_s() -> None:
    accesses = ("app_proxy", "queue", "replication", "pooling", "postgresql_replica")
    assert [role(access) for access in accesses] == [
        "nginx",
        "queue",
        "postgresql",
        "postgresql",
        "postgresql",
    ]


def test_clients_of_the_last_run_stay_allowed_where_the_service_stays() -> None:
    planned = {"pgbouncer": ["10.0.0.1"], "redis": []}
    recorded = {"pgbouncer": ["10.0.0.9", "10.0.0.1"], "queue": ["10.0.0.9"]}
    assert allowed_clients(planned, recorded) == {
        "pgbouncer": ["10.0.0.1", "10.0.0.9"],
        "redis": [],
    }
    assert roles_losing_clients(planned, recorded) == ["pgbouncer"]


def test_a_role_that_loses_clients_of_two_accesses_is_named_once() -> None:
    recorded = {"replication": ["10.0.0.2"], "postgresql_primary": ["10.0.0.9"], "redis": []}
    planned: dict[str, list[str]] = {"postgresql_primary": [], "replication": [], "redis": []}
    assert roles_losing_clients(planned, recorded) == ["postgresql"]
    assert roles_losing_clients(planned, planned) == []


def test_role_leaves_with_the_last_of_its_services() -> None:
    recorded = ["nginx", "app_proxy", "django", "redis", "queue", "postgresql_replica"]
    assert services_leaving(["nginx", "postgresql_primary"], recorded) == ["redis", "queue"]
    assert services_leaving(["redis"], ["postgresql_replica", "nginx"]) == [
        "postgresql_replica",
        "nginx",
    ]
    assert services_leaving([], ["django"]) == []  # which leaves project by project


def test_record_of_a_run_under_way_has_old_and_new() -> None:
    planned: Record = {
        "site": "shop",
        "services": ["nginx", "redis"],
        "projects": ["shop"],
        "clients": {"redis": ["10.0.0.1"]},
        "primary": "db1",
        "uploads": "web1",
        "tunnels": [ENTRANCE],
        "backup": "0a1b2c3d4e5f6071",
    }
    recorded: Record = {
        "site": "old",
        "services": ["nginx", "django"],
        "projects": ["old"],
        "clients": {"redis": ["10.0.0.9"], "queue": []},
        "primary": "db0",
        "uploads": "",
        "tunnels": [EXIT],
        "backup": "9f8e7d6c5b4a3928",
    }
    assert record_during_run(planned, recorded) == {
        "site": "old",
        "services": ["django", "nginx", "redis"],
        "projects": ["old", "shop"],
        "clients": {"redis": ["10.0.0.1", "10.0.0.9"], "queue": []},
        "primary": "db0",
        "uploads": "",
        "tunnels": [ENTRANCE, EXIT],
        # So a destination that a run has not come to is tried again by the next one.
        "backup": "9f8e7d6c5b4a3928",
    }
    nothing = {"primary": "", "uploads": "", "backup": ""}
    assert record_during_run(planned, {}) == {**planned, **nothing}


def test_machine_of_a_version_without_tunnels_is_known_until_the_end_of_the_run() -> None:
    planned: Record = {
        "site": "shop",
        "services": ["app_proxy"],
        "projects": ["shop"],
        "clients": {},
        "primary": "db1",
        "uploads": "web1",
        "tunnels": [ENTRANCE],
    }
    recorded: Record = {"site": "shop", "services": ["app_proxy"]}
    assert "tunnels" not in record_during_run(planned, recorded)


def test_replica_is_new_where_none_was_recorded() -> None:
    recorded = [["postgresql_replica"], ["django"], []]
    assert new_replicas(["db1", "db2", "db3"], recorded) == ["db2", "db3"]


def test_a_database_that_a_restore_is_to_bring_is_not_recorded_before_it_is_there() -> None:
    during: Record = {"services": ["nginx", "postgresql_primary"], "primary": ""}
    assert record_without_database(during, {}) == {"services": ["nginx"], "primary": ""}
    assert record_without_database(during, {"services": ["postgresql_primary"]}) == during
