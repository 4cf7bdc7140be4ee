"""Refusals: what makes no sense is named, with its place and with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.inventory.errors import InventoryError
from espalier.inventory.topology import compute
from tests.unit.inventory.examples import SIX, SIX_DUTIES, machines, on_one


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
        "Ansible the inventory's directory (`-i deploy/production`), not one file of it.",
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
        "several machines the kit uses IPv4 addresses: what they listen on and which clients they "
        "allow is written down as such. Write `private_address:` with the machine's IPv4 address "
        "in the network that the machines share, such as 10.0.0.10.",
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
