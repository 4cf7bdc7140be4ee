"""What pgbouncer is told: how many connections to PostgreSQL, and how many clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LEAST_POOL = 10
LEAST_CLIENTS = 1000


def pool_size(cores: int) -> int:
    """Return the connections to PostgreSQL.

    2 x cores + 1 busy ones keep cores and disks occupied (PostgreSQL wiki, Number Of Database
    Connections). Twice that, at least 10, as a transaction of Django's spends about as long in
    Python as in PostgreSQL.
    """
    return max(4 * int(cores) + 2, LEAST_POOL)


def max_client_connections(capacities: Iterable[Mapping[str, int]]) -> int:
    """Return the clients that may be connected at once.

    Every thread of every Django worker keeps a connection, twice while a release is switched; and
    as many again for what is not Django's web processes.

    Args:
        capacities: `workers` and `threads` of each machine that runs Django.
    """
    clients = sum(4 * int(machine["workers"]) * int(machine["threads"]) for machine in capacities)
    return max(clients, LEAST_CLIENTS)
