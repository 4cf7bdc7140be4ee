"""The ends of tunnels on each machine."""

from __future__ import annotations

from espalier.inventory.model import Endpoint
from espalier.inventory.topology import compute
from espalier.wiring.tunnel import Tunnel, plain_listens, tunnels, tunnels_during_run
from tests.unit.inventory.examples import machines


def test_clients_enter_on_their_machine_and_come_out_at_the_service_s() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["vps1"], "cache": ["cache1"]}
    placed = compute(machines("vps1", "cache1"), duties, ["redis"])["machines"]
    assert tunnels(placed["vps1"]) == [
        {
            "name": f"{service}-entrance",
            "is_entrance": True,
            "listens": [{"address": "127.0.0.1", "port": port}],
            "to": {"address": "10.0.0.2", "port": port},
            "retries": retries,
        }
        for service, port, retries in (("redis", 6390, 0), ("queue", 6391, 5))
    ]
    assert tunnels(placed["cache1"]) == [
        {
            "name": f"{service}-exit",
            "is_entrance": False,
            "listens": [{"address": "10.0.0.2", "port": port}],
            "to": {"address": "127.0.0.1", "port": own},
            "retries": retries,
        }
        for service, port, own, retries in (("redis", 6390, 6379, 0), ("queue", 6391, 6380, 5))
    ]


def test_machine_may_have_the_entrance_of_one_service_and_the_exit_of_another() -> None:
    duties = {"web": ["vps1"], "app": ["vps1", "app2"], "db": ["vps1"], "cache": ["app2"]}
    tiers = ["redis", "app_servers"]
    placed = compute(machines("vps1", "app2"), duties, tiers)["machines"]
    assert [end["name"] for end in tunnels(placed["vps1"])] == [
        "media-exit",
        "redis-entrance",
        "queue-entrance",
    ]
    assert [end["name"] for end in tunnels(placed["app2"])] == [
        "media-entrance",
        "redis-exit",
        "queue-exit",
    ]


def test_one_machine_has_no_tunnel() -> None:
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["vps1"]}
    placed = compute(machines("vps1"), duties, ["redis"])["machines"]
    assert tunnels(placed["vps1"]) == []


def test_end_that_leaves_stays_to_the_end_of_the_run() -> None:
    def end(name: str, address: str) -> Tunnel:
        here: Endpoint = {"address": "127.0.0.1", "port": 6390}
        there: Endpoint = {"address": address, "port": 6390}
        return {
            "name": name,
            "is_entrance": True,
            "listens": [here],
            "to": there,
            "retries": 0,
        }

    planned = [end("redis-entrance", "10.0.0.3")]
    recorded = [end("redis-entrance", "10.0.0.2"), end("queue-entrance", "10.0.0.2")]
    # Two of the same name would be for the same port.
    assert tunnels_during_run(planned, recorded) == [planned[0], recorded[1]]


def test_clients_in_the_clear_keep_their_address_as_long_as_there_are_any() -> None:
    here: list[Endpoint] = [{"address": "127.0.0.1", "port": 8090}]
    there: Endpoint = {"address": "10.0.0.1", "port": 8090}
    assert plain_listens("media", here, ["10.0.0.2"], "10.0.0.1") == [*here, there]
    assert plain_listens("media", here, [], "10.0.0.1") == here
    both = [*here, there]
    assert plain_listens("media", both, ["10.0.0.2"], "10.0.0.1") == both
