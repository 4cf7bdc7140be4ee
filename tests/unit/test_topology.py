"""The topology: literal maps for literal inventories, every refusal, and the real Ansible."""

from __future__ import annotations

import copy
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory import services
from espalier.inventory.errors import InventoryError
from espalier.inventory.topology import compute

ROOT = Path(__file__).resolve().parents[2]


def machines(*names: str) -> dict[str, dict[str, str]]:
    """Return machines at 10.0.0.1, 10.0.0.2, … and in public at 203.0.113.1, …."""
    return {
        name: {"address": f"10.0.0.{n}", "public_address": f"203.0.113.{n}"}
        for n, name in enumerate(names, 1)
    }


def on_one(*extra: str) -> dict[str, list[str]]:
    """Return the duties of one VPS that does everything."""
    return {duty: ["vps1"] for duty in ("web", "app", "db", *extra)}


def sentences(result: dict[str, Any]) -> list[str]:
    """Return each link as one readable line."""
    return [
        f"{at['source']['service']}@{at['source']['machine']} -> "
        f"{at['target']['service']}@{at['target']['machine']} "
        f"{at['address']}:{at['port']} {at['purpose']}"
        for at in result["links"]
    ]


def running(result: dict[str, Any]) -> dict[str, list[str]]:
    """Return the services that run somewhere."""
    return {service: names for service, names in result["services"].items() if names}


SIX = machines("web1", "app1", "app2", "db1", "db2", "cache1")
SIX_DUTIES = {"web": ["web1"], "app": ["app1", "app2"], "db": ["db1", "db2"], "cache": ["cache1"]}


# -- placement -------------------------------------------------------------------------------------


def test_baseline_on_one_machine() -> None:
    assert compute(machines("vps1"), on_one(), []) == {
        "tiers": [],
        "services": {
            "nginx": ["vps1"],
            "app_proxy": [],
            "django": ["vps1"],
            "media": [],
            "pgbouncer": [],
            "postgresql_primary": ["vps1"],
            "postgresql_replica": [],
            "redis": [],
            "queue": [],
            "etcd": [],
            "patroni": [],
        },
        "machines": {
            "vps1": {
                "address": "10.0.0.1",
                "public_address": "203.0.113.1",
                "duties": ["web", "app", "db"],
                "services": ["nginx", "django", "postgresql_primary"],
                "listens": {
                    "nginx": [{"address": "*", "port": 80}, {"address": "*", "port": 443}],
                    "django": [{"address": "web.sock", "port": 0}],
                    "postgresql_primary": [{"address": "/run/postgresql", "port": 5432}],
                },
                "clients": {"nginx": [], "django": [], "postgresql_primary": []},
                "access": {
                    "nginx": [],
                    "django": [],
                    "postgresql_primary": [],
                    "replication": [],
                    "pooling": [],
                },
                "links": {
                    "nginx": {
                        "web": [
                            {
                                "source": {"machine": "vps1", "service": "nginx"},
                                "target": {"machine": "vps1", "service": "django"},
                                "address": "web.sock",
                                "port": 0,
                                "purpose": "web",
                            }
                        ]
                    },
                    "django": {
                        "queries": [
                            {
                                "source": {"machine": "vps1", "service": "django"},
                                "target": {"machine": "vps1", "service": "postgresql_primary"},
                                "address": "/run/postgresql",
                                "port": 5432,
                                "purpose": "queries",
                            }
                        ]
                    },
                    "postgresql_primary": {},
                },
            }
        },
        "links": [
            {
                "source": {"machine": "vps1", "service": "nginx"},
                "target": {"machine": "vps1", "service": "django"},
                "address": "web.sock",
                "port": 0,
                "purpose": "web",
            },
            {
                "source": {"machine": "vps1", "service": "django"},
                "target": {"machine": "vps1", "service": "postgresql_primary"},
                "address": "/run/postgresql",
                "port": 5432,
                "purpose": "queries",
            },
        ],
    }


def test_baseline_with_a_separate_database() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["db1"]}
    assert compute(machines("vps1", "db1"), duties, []) == {
        "tiers": [],
        "services": {
            "nginx": ["vps1"],
            "app_proxy": [],
            "django": ["vps1"],
            "media": [],
            "pgbouncer": [],
            "postgresql_primary": ["db1"],
            "postgresql_replica": [],
            "redis": [],
            "queue": [],
            "etcd": [],
            "patroni": [],
        },
        "machines": {
            "vps1": {
                "address": "10.0.0.1",
                "public_address": "203.0.113.1",
                "duties": ["web", "app"],
                "services": ["nginx", "django"],
                "listens": {
                    "nginx": [{"address": "*", "port": 80}, {"address": "*", "port": 443}],
                    "django": [{"address": "web.sock", "port": 0}],
                },
                "clients": {"nginx": [], "django": []},
                "access": {"nginx": [], "django": []},
                "links": {
                    "nginx": {
                        "web": [
                            {
                                "source": {"machine": "vps1", "service": "nginx"},
                                "target": {"machine": "vps1", "service": "django"},
                                "address": "web.sock",
                                "port": 0,
                                "purpose": "web",
                            }
                        ]
                    },
                    "django": {
                        "queries": [
                            {
                                "source": {"machine": "vps1", "service": "django"},
                                "target": {"machine": "db1", "service": "postgresql_primary"},
                                "address": "10.0.0.2",
                                "port": 5432,
                                "purpose": "queries",
                            }
                        ]
                    },
                },
            },
            "db1": {
                "address": "10.0.0.2",
                "public_address": "203.0.113.2",
                "duties": ["db"],
                "services": ["postgresql_primary"],
                "listens": {
                    "postgresql_primary": [
                        {"address": "/run/postgresql", "port": 5432},
                        {"address": "10.0.0.2", "port": 5432},
                    ]
                },
                "clients": {"postgresql_primary": ["10.0.0.1"]},
                "access": {
                    "postgresql_primary": ["10.0.0.1"],
                    "replication": [],
                    "pooling": [],
                },
                "links": {"postgresql_primary": {}},
            },
        },
        "links": [
            {
                "source": {"machine": "vps1", "service": "nginx"},
                "target": {"machine": "vps1", "service": "django"},
                "address": "web.sock",
                "port": 0,
                "purpose": "web",
            },
            {
                "source": {"machine": "vps1", "service": "django"},
                "target": {"machine": "db1", "service": "postgresql_primary"},
                "address": "10.0.0.2",
                "port": 5432,
                "purpose": "queries",
            },
        ],
    }


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
    assert sentences(result)[-2:] == [
        "django@vps1 -> redis@cache1 10.0.0.2:6379 cache",
        "django@vps1 -> queue@cache1 10.0.0.2:6380 jobs",
    ]
    assert result["machines"]["cache1"]["listens"]["redis"] == [
        {"address": "127.0.0.1", "port": 6379},
        {"address": "10.0.0.2", "port": 6379},
    ]


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
        "app_proxy": ["app2"],
        "django": ["vps1", "app2"],
        "media": ["vps1"],
        "postgresql_primary": ["vps1"],
    }
    assert sentences(result) == [
        "nginx@vps1 -> django@vps1 web.sock:0 web",
        "nginx@vps1 -> app_proxy@app2 10.0.0.2:8080 web",
        "app_proxy@app2 -> django@app2 web.sock:0 web",
        "django@vps1 -> postgresql_primary@vps1 /run/postgresql:5432 queries",
        "django@app2 -> postgresql_primary@vps1 10.0.0.1:5432 queries",
        "django@app2 -> media@vps1 10.0.0.1:8090 media",
    ]
    assert result["machines"]["app2"]["listens"]["app_proxy"] == [
        {"address": "10.0.0.2", "port": 8080}
    ]
    assert result["machines"]["app2"]["clients"]["app_proxy"] == ["10.0.0.1"]
    assert result["machines"]["vps1"]["listens"]["media"] == [{"address": "10.0.0.1", "port": 8090}]
    assert result["machines"]["vps1"]["clients"]["media"] == ["10.0.0.2"]


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
        "nginx@web1 -> app_proxy@app1 10.0.0.2:8080 web",
        "app_proxy@app1 -> django@app1 web.sock:0 web",
    ]


def test_two_machines_that_both_take_traffic_and_run_django_reach_each_other() -> None:
    duties = {"web": ["vps1", "vps2"], "app": ["vps1", "vps2"], "db": ["vps1"]}
    result = compute(machines("vps1", "vps2"), duties, ["app_servers"])
    assert result["services"]["app_proxy"] == ["vps1", "vps2"]
    assert sentences(result)[:4] == [
        "nginx@vps1 -> django@vps1 web.sock:0 web",
        "nginx@vps1 -> app_proxy@vps2 10.0.0.2:8080 web",
        "nginx@vps2 -> app_proxy@vps1 10.0.0.1:8080 web",
        "nginx@vps2 -> django@vps2 web.sock:0 web",
    ]
    # Uploads are on the first one; the other's nginx and Django get them from there.
    assert [line for line in sentences(result) if line.endswith(" media")] == [
        "nginx@vps2 -> media@vps1 10.0.0.1:8090 media",
        "django@vps2 -> media@vps1 10.0.0.1:8090 media",
    ]
    assert result["machines"]["vps1"]["clients"]["media"] == ["10.0.0.2"]


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
        "etcd": ["db1", "db2", "app1"],
        "patroni": ["db1", "db2"],
    }
    lines = sentences(result)
    assert lines[:13] == [
        "nginx@web1 -> app_proxy@app1 10.0.0.2:8080 web",
        "nginx@web1 -> app_proxy@app2 10.0.0.3:8080 web",
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


def test_access_tells_replicas_and_pools_from_the_application() -> None:
    result = compute(SIX, SIX_DUTIES, services.TIERS)
    assert {name: machine["access"] for name, machine in result["machines"].items()} == {
        "web1": {"nginx": [], "media": ["10.0.0.2", "10.0.0.3"]},
        "app1": {"app_proxy": ["10.0.0.1"], "django": [], "etcd": ["10.0.0.4", "10.0.0.5"]},
        "app2": {"app_proxy": ["10.0.0.1"], "django": []},
        "db1": {
            "pgbouncer": ["10.0.0.2", "10.0.0.3"],
            "postgresql_primary": ["10.0.0.2", "10.0.0.3"],  # migrations
            "etcd": ["10.0.0.5", "10.0.0.2"],
            "patroni": ["10.0.0.5"],
            "replication": ["10.0.0.5"],
            "pooling": ["local"],
        },
        "db2": {
            "pgbouncer": ["10.0.0.2", "10.0.0.3"],
            "postgresql_replica": [],
            "etcd": ["10.0.0.4", "10.0.0.2"],
            "patroni": ["10.0.0.4"],
            "replication": [],
            "pooling": ["local"],
        },
        "cache1": {"redis": ["10.0.0.2", "10.0.0.3"], "queue": ["10.0.0.2", "10.0.0.3"]},
    }


def test_links_of_a_machine_by_source_and_purpose() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["vps1", "db2"]}
    result = compute(machines("vps1", "db2"), duties, ["replicas", "pgbouncer"])
    found = {
        name: {
            service: {
                purpose: [f"{link['target']['machine']} {link['address']}" for link in links]
                for purpose, links in by_purpose.items()
            }
            for service, by_purpose in machine["links"].items()
        }
        for name, machine in result["machines"].items()
    }
    assert found == {
        "vps1": {
            "nginx": {"web": ["vps1 web.sock"]},
            "django": {
                "queries": ["vps1 /run/pgbouncer"],
                "reads": ["db2 10.0.0.2"],
                "migrations": ["vps1 /run/postgresql"],
            },
            "pgbouncer": {"queries": ["vps1 /run/postgresql"]},
            "postgresql_primary": {},
        },
        "db2": {
            "pgbouncer": {"reads": ["db2 /run/postgresql"]},
            "postgresql_replica": {"replication": ["vps1 10.0.0.1"]},
        },
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


# -- what holds for every combination --------------------------------------------------------------


def combinations() -> list[tuple[str, ...]]:
    """Return every set of tiers that six machines can carry."""
    sets = itertools.chain.from_iterable(
        itertools.combinations(services.TIERS, n) for n in range(len(services.TIERS) + 1)
    )
    return [tiers for tiers in sets if "failover" not in tiers or "replicas" in tiers]


@pytest.mark.parametrize("tiers", combinations(), ids=lambda tiers: "+".join(tiers) or "baseline")
def test_every_combination_of_tiers_is_a_map_that_agrees_with_itself(
    tiers: tuple[str, ...],
) -> None:
    before = copy.deepcopy((SIX, SIX_DUTIES, tiers))
    result = compute(SIX, SIX_DUTIES, tiers)
    assert (SIX, SIX_DUTIES, tiers) == before
    assert json.loads(json.dumps(result)) == result
    assert json.dumps(compute(SIX, SIX_DUTIES, tuple(reversed(tiers)))) == json.dumps(result)
    assert list(result["services"]) == list(services.SERVICES)
    for link in result["links"]:
        source, target = link["source"], link["target"]
        for end in (source, target):
            assert end["machine"] in result["services"][end["service"]]
        there = result["machines"][target["machine"]]
        endpoint = {"address": link["address"], "port": link["port"]}
        assert endpoint in there["listens"][target["service"]]
        if source["machine"] != target["machine"]:
            address = result["machines"][source["machine"]]["address"]
            assert address in there["clients"][target["service"]]
    by_machine = [
        link
        for machine in result["machines"].values()
        for by_purpose in machine["links"].values()
        for links in by_purpose.values()
        for link in links
    ]
    assert sorted(map(json.dumps, by_machine)) == sorted(map(json.dumps, result["links"]))


def test_the_result_shares_nothing_with_the_input() -> None:
    duties = {duty: list(names) for duty, names in SIX_DUTIES.items()}
    compute(SIX, duties, ["replicas"])["services"]["nginx"].append("intruder")
    assert duties == SIX_DUTIES


# -- refusals --------------------------------------------------------------------------------------


def at(name: str, address: Any, public: Any = "203.0.113.9") -> dict[str, dict[str, Any]]:
    """Return one machine with the addresses."""
    return {name: {"address": address, "public_address": public}}


REFUSALS: dict[str, tuple[Any, Any, Any, str]] = {
    "unknown tier": (
        machines("vps1"),
        on_one(),
        ["pgbouncr"],
        "`tiers` in hosts.yml has 'pgbouncr', which is no tier. Did you mean `pgbouncer`? The "
        "tiers are: replicas, pgbouncer, redis, app_servers, failover.",
    ),
    "unknown tier, nothing near": (
        machines("vps1"),
        on_one(),
        ["kubernetes"],
        "`tiers` in hosts.yml has 'kubernetes', which is no tier. The tiers are: replicas, "
        "pgbouncer, redis, app_servers, failover.",
    ),
    "tier with a dash": (
        machines("vps1"),
        on_one(),
        ["app-servers"],
        "`tiers` in hosts.yml has 'app-servers', which is no tier. Did you mean `app_servers`? "
        "The tiers are: replicas, pgbouncer, redis, app_servers, failover.",
    ),
    "tier that is a dictionary": (
        machines("vps1"),
        on_one(),
        [{"redis": True}],
        "`tiers` in hosts.yml has {'redis': True}, which is no tier. The tiers are: replicas, "
        "pgbouncer, redis, app_servers, failover.",
    ),
    "tier twice": (
        machines("vps1"),
        on_one(),
        ["redis", "redis"],
        "`tiers` in hosts.yml has `redis` twice. Write it once; once is on, absent is off.",
    ),
    "tiers missing": (
        machines("vps1"),
        on_one(),
        None,
        "`tiers` is missing from hosts.yml, or empty. Write a list under `all: vars:`, such as "
        "`tiers: [pgbouncer, redis]`, or `tiers: []` for the single-VPS baseline.",
    ),
    "tiers a word": (
        machines("vps1"),
        on_one(),
        "redis",
        "`tiers` in hosts.yml is 'redis', which is no list. Write a list under `all: vars:`, such "
        "as `tiers: [pgbouncer, redis]`, or `tiers: []`.",
    ),
    "tiers a dictionary": (
        machines("vps1"),
        on_one(),
        {"redis": True},
        "`tiers` in hosts.yml is {'redis': True}, which is no list. Write a list under `all: "
        "vars:`, such as `tiers: [pgbouncer, redis]`, or `tiers: []`.",
    ),
    "tiers a template": (
        machines("vps1"),
        on_one(),
        "{{ my_tiers }}",
        "`tiers` in hosts.yml is a template ({{ my_tiers }}), but the topology is computed before "
        "templates are. Write a list under `all: vars:`, such as `tiers: [pgbouncer, redis]`, or "
        "`tiers: []`.",
    ),
    "template among the tiers": (
        machines("vps1"),
        on_one(),
        ["{{ my_tier }}"],
        "`tiers` in hosts.yml has a template in it ({{ my_tier }}), but the topology is computed "
        "before templates are. Write a list under `all: vars:`, such as `tiers: [pgbouncer, "
        "redis]`, or `tiers: []`.",
    ),
    "replicas with one db machine": (
        machines("vps1"),
        on_one(),
        ["replicas"],
        "The tier `replicas` needs two machines in the group `db`, and hosts.yml has one (vps1). "
        "Add a second one to `db`, or remove `replicas` from `tiers`.",
    ),
    "app_servers with one app machine": (
        machines("vps1"),
        on_one(),
        ["app_servers"],
        "The tier `app_servers` needs two machines in the group `app`, and hosts.yml has one "
        "(vps1). Add a second one to `app`, or remove `app_servers` from `tiers`.",
    ),
    "failover without replicas": (
        SIX,
        SIX_DUTIES,
        ["failover"],
        "The tier `failover` in hosts.yml promotes a replica, and the tier `replicas` is off. "
        "Write `replicas` into `tiers` as well, or remove `failover`.",
    ),
    "failover on two machines; the cache machine does not vote": (
        machines("vps1", "db2", "cache1"),
        {"web": ["vps1"], "app": ["vps1"], "db": ["vps1", "db2"], "cache": ["cache1"]},
        ["replicas", "failover"],
        "The tier `failover` needs 3 machines in the groups db, app and web together, so that two "
        "still agree when one is lost; hosts.yml has 2 (vps1, db2). Add a machine to one of them, "
        "or remove `failover` from `tiers`.",
    ),
    "no duty at all: the first is named": (
        machines("vps1"),
        {},
        [],
        "No machine has the duty `web`. Add one under `all: children:` in hosts.yml, such as "
        "`web: {hosts: {vps1: }}`; one machine may have every duty.",
    ),
    "no app": (
        machines("vps1"),
        {"web": ["vps1"], "app": [], "db": ["vps1"]},
        [],
        "No machine has the duty `app`. Add one under `all: children:` in hosts.yml, such as "
        "`app: {hosts: {vps1: }}`; one machine may have every duty.",
    ),
    "no db": (
        machines("vps1"),
        {"web": ["vps1"], "app": ["vps1"]},
        [],
        "No machine has the duty `db`. Add one under `all: children:` in hosts.yml, such as "
        "`db: {hosts: {vps1: }}`; one machine may have every duty.",
    ),
    "webs for web": (
        machines("vps1"),
        {"webs": ["vps1"], "app": ["vps1"], "db": ["vps1"]},
        [],
        "hosts.yml has a group `webs` and no machine in the group `web`. Did you mean `web`? "
        "Rename the group `webs` to `web`.",
    ),
    "dbs for db": (
        machines("vps1"),
        {"web": ["vps1"], "app": ["vps1"], "dbs": ["vps1"]},
        [],
        "hosts.yml has a group `dbs` and no machine in the group `db`. Did you mean `db`? "
        "Rename the group `dbs` to `db`.",
    ),
    "webservers for web": (
        machines("vps1"),
        {"webservers": ["vps1"], "app": ["vps1"], "db": ["vps1"]},
        [],
        "hosts.yml has a group `webservers` and no machine in the group `web`. Did you mean "
        "`web`? Rename the group `webservers` to `web`.",
    ),
    "caches for cache, which nobody must have": (
        machines("vps1"),
        on_one("caches"),
        ["redis"],
        "hosts.yml has a group `caches` and no machine in the group `cache`. Did you mean "
        "`cache`? Rename the group `caches` to `cache`.",
    ),
    "a service typed as a group": (
        machines("vps1"),
        on_one("redis"),
        ["redis"],
        "hosts.yml has a group `redis`, which is a service: where services run is computed, never "
        "typed. Remove the group and put its machines into the duty group `cache`, or give the "
        "group another name.",
    ),
    "a machine called like a service": (
        machines("redis"),
        {},
        [],
        "A machine in hosts.yml is called `redis`, which is the name of a service, so plays for "
        "the service would run on it too. Give it another name, such as `redis1`.",
    ),
    "a machine called like a duty": (
        machines("db"),
        {},
        [],
        "A machine in hosts.yml is called `db`, which is the name of a duty, so plays for the "
        "duty would run on it too. Give it another name, such as `db1`.",
    ),
    "no machine": (
        {},
        {},
        [],
        "No machine is known. Write the machines in hosts.yml under `all: hosts:`, and give "
        "Ansible the inventory's directory (`-i inventories/production`), not one file of it.",
    ),
    "a group with an unknown machine": (
        machines("vps1"),
        {**on_one(), "db": ["db1"]},
        [],
        "The group `db` in hosts.yml names the machine `db1`, which is not under `all: hosts:`. "
        "Add it there, or correct the name.",
    ),
    "the same private address": (
        {**at("vps1", "10.0.0.1", "203.0.113.1"), **at("vps2", "10.0.0.1", "203.0.113.2")},
        on_one(),
        [],
        "`vps1` and `vps2` in hosts.yml have the same `private_address` 10.0.0.1: the same "
        "machine twice. Remove `vps2` and put `vps1` into every duty group that it serves, or "
        "correct the address.",
    ),
    "the same ansible_host": (
        {**at("vps1", "10.0.0.1", "vps.example.com"), **at("vps2", "10.0.0.2", "VPS.example.com")},
        on_one(),
        [],
        "`vps1` and `vps2` in hosts.yml have the same `ansible_host` VPS.example.com: the same "
        "machine twice. Remove `vps2` and put `vps1` into every duty group that it serves, or "
        "correct the address.",
    ),
    "the same address in two spellings": (
        {**at("vps1", "fd00::1", "203.0.113.1"), **at("vps2", "fd00:0::1", "203.0.113.2")},
        on_one(),
        [],
        "`vps1` and `vps2` in hosts.yml have the same `private_address` fd00:0::1: the same "
        "machine twice. Remove `vps2` and put `vps1` into every duty group that it serves, or "
        "correct the address.",
    ),
    "ansible_host empty": (
        at("vps1", "10.0.0.1", ""),
        on_one(),
        [],
        "`ansible_host` of the machine `vps1` in hosts.yml is empty. Write the address that "
        "Ansible connects to, or remove the key to connect to the name `vps1`.",
    ),
    "private_address empty": (
        at("vps1", None),
        on_one(),
        [],
        "`private_address` of the machine `vps1` in hosts.yml is empty. Write its address in the "
        "private network, or remove the key to use `ansible_host`.",
    ),
    "private_address a template": (
        at("vps1", "{{ lan }}"),
        on_one(),
        [],
        "`private_address` of the machine `vps1` in hosts.yml is a template ({{ lan }}), but the "
        "topology is computed before templates are. Write the address itself, such as 10.0.0.10.",
    ),
    "private_address a network": (
        at("vps1", "10.0.0.1/24"),
        on_one(),
        [],
        "`private_address` of the machine `vps1` in hosts.yml is '10.0.0.1/24', which is no "
        "address. Write one IP address or host name, without a network length or scheme, such as "
        "10.0.0.10.",
    ),
    "private_address a number": (
        at("vps1", 10.1),
        on_one(),
        [],
        "`private_address` of the machine `vps1` in hosts.yml is 10.1, which is no address. Write "
        "one IP address or host name, without a network length or scheme, such as 10.0.0.10.",
    ),
    "a name among several machines": (
        {**at("vps1", "10.0.0.1", "203.0.113.1"), **at("db1", "db.example.com", "203.0.113.2")},
        {"web": ["vps1"], "app": ["vps1"], "db": ["db1"]},
        [],
        "The private address of the machine `db1` in hosts.yml is db.example.com, and between "
        "several machines the kit uses IPv4 addresses: what they listen on and whom they admit is "
        "written down as such. Write `private_address:` with the machine's IPv4 address in the "
        "network that the machines share, such as 10.0.0.10.",
    ),
    "loopback among several machines": (
        {**at("vps1", "127.0.0.1", "203.0.113.1"), **at("db1", "10.0.0.2", "203.0.113.2")},
        {"web": ["vps1"], "app": ["vps1"], "db": ["db1"]},
        [],
        "The private address of the machine `vps1` in hosts.yml is 127.0.0.1, which only that "
        "machine itself can reach. Write `private_address:` with its address in the network that "
        "the machines share, such as 10.0.0.10.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_makes_no_sense_is_refused_with_a_sentence(case: str) -> None:
    given, duties, tiers, sentence = REFUSALS[case]
    with pytest.raises(InventoryError) as refusal:
        compute(given, duties, tiers)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("address", ["fd00::1", "localhost", "db.example.com"])
def test_several_machines_have_ipv4_addresses(address: str) -> None:
    alone = on_one()
    assert compute(at("vps1", address), alone, [])["services"]["django"] == ["vps1"]
    with pytest.raises(InventoryError, match="uses IPv4 addresses"):
        two = {**at("vps1", "10.0.0.1", "203.0.113.1"), **at("db1", address, "203.0.113.2")}
        compute(two, {**alone, "db": ["db1"]}, [])
    # A spare is in nobody's way.
    two = {**at("vps1", "10.0.0.1", "203.0.113.1"), **at("new", address, "203.0.113.2")}
    assert compute(two, alone, [])


def test_loopback_is_fine_alone() -> None:
    assert compute(at("vps1", "127.0.0.1"), on_one(), ["redis"])["services"]["redis"] == ["vps1"]


def test_groups_of_the_users_own_are_ignored() -> None:
    own = {"berlin": ["vps1"], "cache_warmers": ["vps1"], "monitoring": ["vps1"], "webs": []}
    assert compute(machines("vps1"), {**on_one(), **own}, []) == compute(
        machines("vps1"), on_one(), []
    )


# -- the real Ansible ------------------------------------------------------------------------------

HOSTS = """
all:
  vars: {{tiers: {tiers}}}
  hosts:
    zeta: {{ansible_host: 203.0.113.1, private_address: 10.0.0.1}}
    alpha: {{ansible_host: 203.0.113.2}}
    middle:
  children:
    web: {{hosts: {{zeta: }}}}
    app: {{hosts: {{zeta: }}}}
    db: {{hosts: {{zeta: , alpha: }}}}
"""


def ansible(tool: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an Ansible command with the kit's own ansible.cfg, and no other setting."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(cwd / "tmp"),
        "COLUMNS": "1000",  # Ansible folds its warnings at the width of the terminal.
    }
    return subprocess.run(
        [str(Path(sys.executable).with_name(tool)), *arguments],
        env={**clean, **settings},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def inventory(tmp_path: Path, tiers: str) -> Path:
    """Write an inventory of three machines and return its directory."""
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "hosts.yml").write_text(HOSTS.format(tiers=tiers))
    (directory / "topology.yml").write_text("plugin: topology\n")
    return directory


def listed(directory: Path, cwd: Path) -> dict[str, Any]:
    """Return the topology as another program reads it."""
    run = ansible("ansible-inventory", "-i", str(directory), "--list", cwd=cwd)
    assert run.returncode == 0, run.stderr
    assert "__ansible" not in run.stdout
    hostvars = json.loads(run.stdout)["_meta"]["hostvars"]
    maps = [variables["topology"] for variables in hostvars.values()]
    assert all(one == maps[0] for one in maps)
    return maps[0]


def test_graph_shows_every_service_and_keeps_the_order_of_hosts_yml(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[replicas]")
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "@all:",
        "  |--@ungrouped:",
        "  |  |--middle",
        "  |--@web:",
        "  |  |--zeta",
        "  |--@app:",
        "  |  |--zeta",
        "  |--@db:",
        "  |  |--zeta",
        "  |  |--alpha",
        "  |--@nginx:",
        "  |  |--zeta",
        "  |--@app_proxy:",
        "  |--@django:",
        "  |  |--zeta",
        "  |--@media:",
        "  |--@pgbouncer:",
        "  |--@postgresql_primary:",
        "  |  |--zeta",
        "  |--@postgresql_replica:",
        "  |  |--alpha",
        "  |--@redis:",
        "  |--@queue:",
        "  |--@etcd:",
        "  |--@patroni:",
    ]


def test_list_is_the_same_map_as_plain_data(tmp_path: Path) -> None:
    expected = compute(
        {
            "zeta": {"address": "10.0.0.1", "public_address": "203.0.113.1", "private": True},
            "alpha": {"address": "203.0.113.2", "public_address": "203.0.113.2"},
            "middle": {"address": "middle", "public_address": "middle"},
        },
        {"web": ["zeta"], "app": ["zeta"], "db": ["zeta", "alpha"]},
        ["replicas", "pgbouncer"],
    )
    assert listed(inventory(tmp_path, "[pgbouncer, replicas]"), tmp_path) == expected


def test_addresses_in_host_vars_and_group_vars_count_as_ansible_ranks_them(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[]")
    for folder, name, text in (
        ("group_vars", "all.yml", "private_address: 10.0.0.7\n"),
        ("group_vars", "db.yml", "private_address: 10.0.0.8\n"),
        ("host_vars", "alpha.yml", "private_address: 10.0.0.9\n"),
    ):
        (directory / folder).mkdir(exist_ok=True)
        (directory / folder / name).write_text(text)
    result = listed(directory, tmp_path)
    assert {name: machine["address"] for name, machine in result["machines"].items()} == {
        "zeta": "10.0.0.1",  # its own line in hosts.yml
        "alpha": "10.0.0.9",  # host_vars
        "middle": "10.0.0.7",  # group_vars
    }


def test_plays_find_the_map_and_the_service_groups(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[replicas]")
    play = tmp_path / "play.yml"
    play.write_text(
        """
- hosts: postgresql_replica
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} follows {{ topology.services.postgresql_primary[0] }}"
- hosts: pgbouncer
  gather_facts: false
  tasks:
    - ansible.builtin.fail:
"""
    )
    run = ansible("ansible-playbook", "-i", str(directory), str(play), cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "alpha follows zeta" in run.stdout
    assert "skipping: no hosts matched" in run.stdout


def test_a_refusal_stops_the_run_with_the_sentence(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[replica]")
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", cwd=tmp_path)
    assert run.returncode != 0
    assert run.stdout == ""
    assert "which is no tier. Did you mean `replicas`?" in " ".join(run.stderr.split())


@pytest.mark.parametrize(
    ("file", "text", "arguments", "sentence"),
    [
        ("topology.yml", "plugin: topology\ntiers: []\n", [], "topology.yml has `tiers`, and"),
        ("group_vars/all.yml", "topology: {}\n", [], "The variable `topology` is there already."),
        ("group_vars/all.yml", "", ["-e", '{"tiers": []}'], "`tiers` is given on the command line"),
    ],
)
def test_a_second_place_for_the_switch_is_refused(
    tmp_path: Path, file: str, text: str, arguments: list[str], sentence: str
) -> None:
    directory = inventory(tmp_path, "[]")
    (directory / file).parent.mkdir(exist_ok=True)
    (directory / file).write_text(text)
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", *arguments, cwd=tmp_path)
    assert run.returncode != 0
    assert sentence in " ".join(run.stderr.split())


def test_the_example_inventory_is_the_baseline(tmp_path: Path) -> None:
    result = listed(ROOT / "inventories" / "example", tmp_path)
    assert result["tiers"] == []
    assert running(result) == {
        "nginx": ["vps1"],
        "django": ["vps1"],
        "postgresql_primary": ["vps1"],
    }
