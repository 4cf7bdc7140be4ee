"""Connections of a pool, on both of its sides."""

from __future__ import annotations

from espalier.wiring.pgbouncer import max_client_connections, pool_size


def test_pool_is_four_a_core_and_two_and_at_least_ten() -> None:
    assert [pool_size(cores) for cores in (1, 2, 3, 8)] == [10, 10, 14, 34]


def test_clients_are_every_thread_four_times_and_at_least_a_thousand() -> None:
    machine = {"workers": 49, "threads": 4}
    assert max_client_connections([machine]) == 1000
    assert max_client_connections([machine, machine]) == 1568
