"""The table of services: what each needs of a machine, which role makes it, where it listens."""

from __future__ import annotations

from typing import NamedTuple

DUTIES = ("web", "app", "db", "cache", "monitor", "backup")
REQUIRED_DUTIES = ("web", "app", "db")
# The ladder, step by step, and those of it that this version can switch on.
TIERS = ("replicas", "pgbouncer", "redis", "app_servers", "failover")
TIERS_AVAILABLE = ("replicas", "pgbouncer", "redis", "app_servers")
# How many machines agree on who is the primary, so that two still agree when one is lost.
ETCD_MEMBERS = 3


class Service(NamedTuple):
    """What is fixed about a service.

    Attributes:
        duty: the duty of the machines that may run it.
        role: the Ansible role that makes it, and removes it.
        port: the TCP port that clients use; 0 for a unix socket without a number.
        local: the address for clients on the same machine: a socket, its directory, or an IP
            address; "" when such clients use the machine's private address too.
        second_port: a further TCP port, or 0: nginx' HTTPS, what the members of etcd tell each
            other.
        private: whether it listens on `private_address` from the start, wherever one is written:
            PostgreSQL and pgbouncer could not add an address later without a restart.
    """

    duty: str
    role: str
    port: int
    local: str
    second_port: int = 0
    private: bool = False

    @property
    def ports(self) -> tuple[int, ...]:
        """Every TCP port that the service may listen on; empty for a unix socket alone."""
        return tuple(port for port in (self.port, self.second_port) if port)


SERVICES: dict[str, Service] = {
    "nginx": Service("web", "nginx", 80, "*", second_port=443),
    "app_proxy": Service("app", "nginx", 8443, "127.0.0.1"),
    "django": Service("app", "django", 0, "web.sock"),
    "media": Service("web", "media", 8090, "127.0.0.1"),
    "pgbouncer": Service("db", "pgbouncer", 6432, "/run/pgbouncer", private=True),
    "postgresql_primary": Service("db", "postgresql", 5432, "/run/postgresql", private=True),
    "postgresql_replica": Service("db", "postgresql", 5432, "/run/postgresql", private=True),
    "redis": Service("cache", "redis", 6379, "127.0.0.1", private=True),
    "queue": Service("cache", "queue", 6380, "127.0.0.1", private=True),
    # Both ends of a tunnel: where a client of these enters on its own machine, and where it ends.
    "media_tunnel": Service("web", "tunnel", 8490, "127.0.0.1"),
    "redis_tunnel": Service("cache", "tunnel", 6390, "127.0.0.1"),
    "queue_tunnel": Service("cache", "tunnel", 6391, "127.0.0.1"),
    # Of those that have the data, and of the machine that keeps copies of it.
    "pgbackrest": Service("db", "pgbackrest", 8432, ""),
    "pgbackrest_repository": Service("backup", "pgbackrest", 8432, ""),
    "restic": Service("web", "restic", 0, ""),
    "restic_repository": Service("backup", "restic", 8433, ""),
    # Computed since the first version, and built by no role yet: their tier is not available.
    "etcd": Service("db", "etcd", 2379, "127.0.0.1", second_port=2380),
    "patroni": Service("db", "patroni", 8008, ""),
}
# Service -> its tunnel: over the network they speak in the clear, and cannot have TLS beside that.
TUNNELS = {"media": "media_tunnel", "redis": "redis_tunnel", "queue": "queue_tunnel"}
# Where versions before 0.13 had `app_proxy`, in the clear.
PLAIN_PROXY_PORT = 8080
POSTGRESQL_SERVICES = ("postgresql_primary", "postgresql_replica")
