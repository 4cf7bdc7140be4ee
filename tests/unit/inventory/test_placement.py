"""Placement and links: what each tier puts where, and who then connects to whom."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.inventory import services
from espalier.inventory.topology import compute
from tests.unit.inventory.examples import (
    SIX,
    SIX_DUTIES,
    machines,
    on_one,
    running,
    sentences,
)


def test_replicas() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["vps1", "db2", "db3"]}
    result = compute(machines("vps1", "db2", "db3"), duties, ["replicas"])
    assert running(result) == {
        "nginx": ["vps1"],
        "django": ["vps1"],
        "postgresql_primary": ["vps1"],
        "postgresql_replica": ["db2", "db3"],
    }
    assert sentences(result)[1:] == [
        "django@vps1 -> postgresql_primary@vps1 /run/postgresql:5432 queries",
        "django@vps1 -> postgresql_replica@db2 10.0.0.2:5432 reads",
        "django@vps1 -> postgresql_replica@db3 10.0.0.3:5432 reads",
        "postgresql_replica@db2 -> postgresql_primary@vps1 10.0.0.1:5432 replication",
        "postgresql_replica@db3 -> postgresql_primary@vps1 10.0.0.1:5432 replication",
    ]
    primary = result["machines"]["vps1"]
    assert primary["clients"]["postgresql_primary"] == ["10.0.0.2", "10.0.0.3"]
    assert {"address": "10.0.0.1", "port": 5432} in primary["listens"]["postgresql_primary"]


def test_second_database_machine_is_idle_without_the_tier() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["vps1", "db2"]}
    result = compute(machines("vps1", "db2"), duties, [])
    assert result["services"]["postgresql_primary"] == ["vps1"]
    assert result["machines"]["db2"]["services"] == []


def test_the_first_machine_of_the_group_is_the_primary_whatever_the_order_of_machines() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["db2", "vps1"]}
    result = compute(machines("vps1", "db2"), duties, ["replicas"])
    assert result["services"]["postgresql_primary"] == ["db2"]
    assert result["services"]["postgresql_replica"] == ["vps1"]


def test_pgbouncer_with_a_replica_on_another_machine() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["vps1", "db2"]}
    result = compute(machines("vps1", "db2"), duties, ["replicas", "pgbouncer"])
    assert result["services"]["pgbouncer"] == ["vps1", "db2"]
    assert sentences(result)[1:] == [
        "django@vps1 -> pgbouncer@vps1 /run/pgbouncer:6432 queries",
        "django@vps1 -> pgbouncer@db2 10.0.0.2:6432 reads",
        "django@vps1 -> postgresql_primary@vps1 /run/postgresql:5432 migrations",
        "pgbouncer@vps1 -> postgresql_primary@vps1 /run/postgresql:5432 queries",
        "pgbouncer@db2 -> postgresql_replica@db2 /run/postgresql:5432 reads",
        "postgresql_replica@db2 -> postgresql_primary@vps1 10.0.0.1:5432 replication",
    ]
    # Behind its pool, the replica needs no port of its own in the network.
    replica = result["machines"]["db2"]
    assert replica["listens"]["postgresql_replica"] == [
        {"address": "/run/postgresql", "port": 5432}
    ]
    assert replica["clients"] == {"pgbouncer": ["10.0.0.1"], "postgresql_replica": []}


def test_redis_is_on_the_first_cache_machine() -> None:
    duties = {**on_one(), "cache": ["cache1", "cache2"]}
    result = compute(machines("vps1", "cache1", "cache2"), duties, ["redis"])
    assert result["services"]["redis"] == result["services"]["queue"] == ["cache1"]
    assert sentences(result)[-6:] == [
        "django@vps1 -> redis_tunnel@vps1 127.0.0.1:6390 cache",
        "redis_tunnel@cache1 -> redis@cache1 127.0.0.1:6379 cache",
        "redis_tunnel@vps1 -> redis_tunnel@cache1 10.0.0.2:6390 cache",
        "django@vps1 -> queue_tunnel@vps1 127.0.0.1:6391 jobs",
        "queue_tunnel@cache1 -> queue@cache1 127.0.0.1:6380 jobs",
        "queue_tunnel@vps1 -> queue_tunnel@cache1 10.0.0.2:6391 jobs",
    ]
    # Each end is where those who come to it are.
    assert result["machines"]["cache1"]["listens"] == {
        "redis": [{"address": "127.0.0.1", "port": 6379}, {"address": "10.0.0.2", "port": 6379}],
        "queue": [{"address": "127.0.0.1", "port": 6380}, {"address": "10.0.0.2", "port": 6380}],
        "redis_tunnel": [{"address": "10.0.0.2", "port": 6390}],
        "queue_tunnel": [{"address": "10.0.0.2", "port": 6391}],
    }
    assert result["machines"]["vps1"]["listens"]["redis_tunnel"] == [
        {"address": "127.0.0.1", "port": 6390}
    ]
    assert result["machines"]["cache1"]["access"] == {
        "redis": [],
        "queue": [],
        "redis_tunnel": ["10.0.0.1"],
        "queue_tunnel": ["10.0.0.1"],
    }


@pytest.mark.parametrize("cache", [{}, {"cache": []}])
def test_redis_without_a_cache_machine_is_on_the_first_app_machine(cache: dict[str, Any]) -> None:
    duties = {"web": ["web1"], "app": ["app1", "app2"], "db": ["db1"], **cache}
    result = compute(machines("web1", "app1", "app2", "db1"), duties, ["redis"])
    assert result["services"]["redis"] == result["services"]["queue"] == ["app1"]


def test_app_servers_share_the_traffic_of_a_web_machine_that_runs_django_too() -> None:
    duties = {"web": ["vps1"], "app": ["vps1", "app2"], "db": ["vps1"]}
    result = compute(machines("vps1", "app2"), duties, ["app_servers"])
    assert running(result) == {
        "nginx": ["vps1"],
        "app_proxy": ["vps1", "app2"],
        "django": ["vps1", "app2"],
        "media": ["vps1"],
        "postgresql_primary": ["vps1"],
        "media_tunnel": ["vps1", "app2"],
    }
    # By TLS to its own machine's Django, too: nginx knows one way for all of them.
    assert sentences(result) == [
        "nginx@vps1 -> app_proxy@vps1 127.0.0.1:8443 web",
        "nginx@vps1 -> app_proxy@app2 10.0.0.2:8443 web",
        "app_proxy@vps1 -> django@vps1 web.sock:0 web",
        "app_proxy@app2 -> django@app2 web.sock:0 web",
        "django@vps1 -> postgresql_primary@vps1 /run/postgresql:5432 queries",
        "django@app2 -> postgresql_primary@vps1 10.0.0.1:5432 queries",
        "django@app2 -> media_tunnel@app2 127.0.0.1:8490 media",
        "media_tunnel@vps1 -> media@vps1 127.0.0.1:8090 media",
        "media_tunnel@app2 -> media_tunnel@vps1 10.0.0.1:8490 media",
    ]
    assert result["machines"]["app2"]["listens"]["app_proxy"] == [
        {"address": "127.0.0.1", "port": 8443},
        {"address": "10.0.0.2", "port": 8443},
    ]
    assert result["machines"]["vps1"]["listens"]["app_proxy"] == [
        {"address": "127.0.0.1", "port": 8443}
    ]
    assert result["machines"]["app2"]["clients"]["app_proxy"] == ["10.0.0.1"]
    assert result["machines"]["vps1"]["listens"]["media"] == [
        {"address": "127.0.0.1", "port": 8090}
    ]
    assert result["machines"]["vps1"]["clients"]["media"] == []
    assert result["machines"]["vps1"]["clients"]["media_tunnel"] == ["10.0.0.2"]


def test_a_second_app_machine_is_idle_without_the_tier() -> None:
    duties = {"web": ["vps1"], "app": ["vps1", "app2"], "db": ["vps1"]}
    result = compute(machines("vps1", "app2"), duties, [])
    assert result["services"]["django"] == ["vps1"]
    assert result["services"]["app_proxy"] == []


def test_a_remote_app_machine_has_a_proxy_in_the_baseline_too() -> None:
    duties = {"web": ["web1"], "app": ["app1"], "db": ["app1"]}
    result = compute(machines("web1", "app1"), duties, [])
    assert result["services"]["app_proxy"] == ["app1"]
    assert sentences(result)[:2] == [
        "nginx@web1 -> app_proxy@app1 10.0.0.2:8443 web",
        "app_proxy@app1 -> django@app1 web.sock:0 web",
    ]


def test_two_machines_that_both_take_traffic_and_run_django_reach_each_other() -> None:
    duties = {"web": ["vps1", "vps2"], "app": ["vps1", "vps2"], "db": ["vps1"]}
    result = compute(machines("vps1", "vps2"), duties, ["app_servers"])
    assert result["services"]["app_proxy"] == ["vps1", "vps2"]
    assert sentences(result)[:4] == [
        "nginx@vps1 -> app_proxy@vps1 127.0.0.1:8443 web",
        "nginx@vps1 -> app_proxy@vps2 10.0.0.2:8443 web",
        "nginx@vps2 -> app_proxy@vps1 10.0.0.1:8443 web",
        "nginx@vps2 -> app_proxy@vps2 127.0.0.1:8443 web",
    ]
    # Uploads are on the first one; the other's nginx and Django get them from there.
    assert [line for line in sentences(result) if line.endswith(" media")] == [
        "nginx@vps2 -> media_tunnel@vps2 127.0.0.1:8490 media",
        "django@vps2 -> media_tunnel@vps2 127.0.0.1:8490 media",
        "media_tunnel@vps1 -> media@vps1 127.0.0.1:8090 media",
        "media_tunnel@vps2 -> media_tunnel@vps1 10.0.0.1:8490 media",
    ]
    assert result["machines"]["vps1"]["clients"]["media_tunnel"] == ["10.0.0.2"]


def test_only_the_machine_s_own_django_is_reached_by_its_socket() -> None:
    duties = {"web": ["vps1", "web2"], "app": ["vps1"], "db": ["vps1"]}
    result = compute(machines("vps1", "web2"), duties, [])
    assert result["services"]["app_proxy"] == ["vps1"]
    assert sentences(result)[:2] == [
        "nginx@vps1 -> django@vps1 web.sock:0 web",
        "nginx@web2 -> app_proxy@vps1 10.0.0.1:8443 web",
    ]


def test_pgbouncer_and_redis_on_one_machine_open_no_port_to_the_network() -> None:
    result = compute(machines("vps1"), on_one(), ["redis", "pgbouncer"])
    assert result["tiers"] == ["pgbouncer", "redis"]
    assert running(result) == {
        "nginx": ["vps1"],
        "django": ["vps1"],
        "pgbouncer": ["vps1"],
        "postgresql_primary": ["vps1"],
        "redis": ["vps1"],
        "queue": ["vps1"],
    }
    assert sentences(result) == [
        "nginx@vps1 -> django@vps1 web.sock:0 web",
        "django@vps1 -> pgbouncer@vps1 /run/pgbouncer:6432 queries",
        "django@vps1 -> postgresql_primary@vps1 /run/postgresql:5432 migrations",
        "pgbouncer@vps1 -> postgresql_primary@vps1 /run/postgresql:5432 queries",
        "django@vps1 -> redis@vps1 127.0.0.1:6379 cache",
        "django@vps1 -> queue@vps1 127.0.0.1:6380 jobs",
    ]
    assert result["machines"]["vps1"]["listens"] == {
        "nginx": [{"address": "*", "port": 80}, {"address": "*", "port": 443}],
        "django": [{"address": "web.sock", "port": 0}],
        "pgbouncer": [{"address": "/run/pgbouncer", "port": 6432}],
        "postgresql_primary": [{"address": "/run/postgresql", "port": 5432}],
        "redis": [{"address": "127.0.0.1", "port": 6379}],
        "queue": [{"address": "127.0.0.1", "port": 6380}],
    }
    assert not any(result["machines"]["vps1"]["clients"].values())


def test_a_private_network_that_was_written_is_listened_on_from_the_start() -> None:
    vps1 = {"address": "10.0.0.1", "public_address": "203.0.113.1", "private": True}
    result = compute({"vps1": vps1}, on_one(), ["pgbouncer", "redis"])
    assert result["machines"]["vps1"]["listens"] == {
        "nginx": [{"address": "*", "port": 80}, {"address": "*", "port": 443}],
        "django": [{"address": "web.sock", "port": 0}],
        "pgbouncer": [
            {"address": "/run/pgbouncer", "port": 6432},
            {"address": "10.0.0.1", "port": 6432},
        ],
        "postgresql_primary": [
            {"address": "/run/postgresql", "port": 5432},
            {"address": "10.0.0.1", "port": 5432},
        ],
        "redis": [{"address": "127.0.0.1", "port": 6379}, {"address": "10.0.0.1", "port": 6379}],
        "queue": [{"address": "127.0.0.1", "port": 6380}, {"address": "10.0.0.1", "port": 6380}],
    }
    assert set(map(tuple, result["machines"]["vps1"]["clients"].values())) == {()}


def test_every_tier_on_six_machines() -> None:
    result = compute(SIX, SIX_DUTIES, services.TIERS)
    assert result["services"] == {
        "nginx": ["web1"],
        "app_proxy": ["app1", "app2"],
        "django": ["app1", "app2"],
        "media": ["web1"],
        "pgbouncer": ["db1", "db2"],
        "postgresql_primary": ["db1"],
        "postgresql_replica": ["db2"],
        "redis": ["cache1"],
        "queue": ["cache1"],
        "media_tunnel": ["web1", "app1", "app2"],
        "redis_tunnel": ["cache1", "app1", "app2"],
        "queue_tunnel": ["cache1", "app1", "app2"],
        "pgbackrest": [],
        "pgbackrest_repository": [],
        "restic": [],
        "restic_repository": [],
        "etcd": ["db1", "db2", "app1"],
        "patroni": ["db1", "db2"],
    }
    lines = sentences(result)
    assert lines[:13] == [
        "nginx@web1 -> app_proxy@app1 10.0.0.2:8443 web",
        "nginx@web1 -> app_proxy@app2 10.0.0.3:8443 web",
        "app_proxy@app1 -> django@app1 web.sock:0 web",
        "app_proxy@app2 -> django@app2 web.sock:0 web",
        "django@app1 -> pgbouncer@db1 10.0.0.4:6432 queries",
        "django@app1 -> pgbouncer@db2 10.0.0.5:6432 reads",
        "django@app1 -> postgresql_primary@db1 10.0.0.4:5432 migrations",
        "django@app2 -> pgbouncer@db1 10.0.0.4:6432 queries",
        "django@app2 -> pgbouncer@db2 10.0.0.5:6432 reads",
        "django@app2 -> postgresql_primary@db1 10.0.0.4:5432 migrations",
        "pgbouncer@db1 -> postgresql_primary@db1 /run/postgresql:5432 queries",
        "pgbouncer@db2 -> postgresql_replica@db2 /run/postgresql:5432 reads",
        "postgresql_replica@db2 -> postgresql_primary@db1 10.0.0.4:5432 replication",
    ]
    assert "patroni@db1 -> etcd@db1 127.0.0.1:2379 consensus" in lines
    assert "patroni@db1 -> etcd@app1 10.0.0.2:2379 consensus" in lines
    assert "patroni@db2 -> patroni@db1 10.0.0.4:8008 consensus" in lines
    assert "etcd@app1 -> etcd@db2 10.0.0.5:2380 consensus" in lines
    assert result["machines"]["db1"]["clients"] == {
        "pgbouncer": ["10.0.0.2", "10.0.0.3"],
        "postgresql_primary": ["10.0.0.2", "10.0.0.3", "10.0.0.5"],
        "etcd": ["10.0.0.5", "10.0.0.2"],
        "patroni": ["10.0.0.5"],
    }


def test_a_machine_without_a_duty_is_a_spare() -> None:
    result = compute(machines("vps1", "spare1"), {**on_one(), "offices": ["spare1"]}, [])
    assert result["machines"]["spare1"] == {
        "address": "10.0.0.2",
        "public_address": "203.0.113.2",
        "duties": [],
        "services": [],
        "listens": {},
        "clients": {},
        "access": {},
        "links": {},
    }
