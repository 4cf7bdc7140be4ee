"""The topology: literal maps for literal inventories, and what holds for every combination."""

from __future__ import annotations

import copy
import itertools
import json

import pytest

from espalier.inventory import services
from espalier.inventory.topology import compute
from tests.unit.inventory.examples import SIX, SIX_DUTIES, machines, on_one


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
            "media_tunnel": [],
            "redis_tunnel": [],
            "queue_tunnel": [],
            "pgbackrest": [],
            "pgbackrest_repository": [],
            "restic": [],
            "restic_repository": [],
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
            "media_tunnel": [],
            "redis_tunnel": [],
            "queue_tunnel": [],
            "pgbackrest": [],
            "pgbackrest_repository": [],
            "restic": [],
            "restic_repository": [],
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


def test_access_tells_replicas_and_pools_from_the_application() -> None:
    result = compute(SIX, SIX_DUTIES, services.TIERS)
    assert {name: machine["access"] for name, machine in result["machines"].items()} == {
        "web1": {"nginx": [], "media": [], "media_tunnel": ["10.0.0.2", "10.0.0.3"]},
        "app1": {
            "app_proxy": ["10.0.0.1"],
            "django": [],
            "media_tunnel": [],
            "redis_tunnel": [],
            "queue_tunnel": [],
            "etcd": ["10.0.0.4", "10.0.0.5"],
        },
        "app2": {
            "app_proxy": ["10.0.0.1"],
            "django": [],
            "media_tunnel": [],
            "redis_tunnel": [],
            "queue_tunnel": [],
        },
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
        "cache1": {
            "redis": [],
            "queue": [],
            "redis_tunnel": ["10.0.0.2", "10.0.0.3"],
            "queue_tunnel": ["10.0.0.2", "10.0.0.3"],
        },
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
