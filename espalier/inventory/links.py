"""Links: which service connects to which, where, and what for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from espalier.inventory.model import Link, Machine
from espalier.inventory.placement import reaches_by_proxy
from espalier.inventory.services import SERVICES, TUNNELS


def connect(machines: Mapping[str, Machine], services: Mapping[str, list[str]]) -> list[Link]:
    """Return every connection between services, grouped by kind, in the order of the machines."""

    def link(source: tuple[str, str], target: tuple[str, str], purpose: str, port: int = 0) -> Link:
        """Return the link between two (service, machine); port 0 is the target's own."""
        service = SERVICES[target[0]]
        near = source[1] == target[1] and service.local != ""
        return {
            "source": {"machine": source[1], "service": source[0]},
            "target": {"machine": target[1], "service": target[0]},
            "address": service.local if near else machines[target[1]]["address"],
            "port": port or service.port,
            "purpose": purpose,
        }

    primary, replicas = services["postgresql_primary"], services["postgresql_replica"]
    pooled = bool(services["pgbouncer"])
    databases = [("postgresql_primary", name, "queries") for name in primary] + [
        ("postgresql_replica", name, "reads") for name in replicas
    ]
    links: list[Link] = []
    for web in services["nginx"]:
        target = "app_proxy" if reaches_by_proxy(web, services["django"]) else "django"
        for app in services["django"]:
            links.append(link(("nginx", web), (target, app), "web"))
    for app in services["app_proxy"]:
        links.append(link(("app_proxy", app), ("django", app), "web"))
    for app in services["django"]:
        for service, name, purpose in databases:
            target = "pgbouncer" if pooled else service
            links.append(link(("django", app), (target, name), purpose))
        if pooled:
            # Migrations take session locks, which a transaction pool would hand to others.
            links.append(link(("django", app), ("postgresql_primary", primary[0]), "migrations"))
    if pooled:
        for service, name, purpose in databases:
            links.append(link(("pgbouncer", name), (service, name), purpose))
    for name in replicas:
        links.append(
            link(("postgresql_replica", name), ("postgresql_primary", primary[0]), "replication")
        )
    for service, purpose, sources in (
        ("redis", "cache", ("django",)),
        ("queue", "jobs", ("django",)),
        ("media", "media", ("nginx", "django")),
    ):
        tunnel = TUNNELS[service]
        clients = [(source, machine) for source in sources for machine in services[source]]
        for name in services[service]:
            for client in clients:
                entrance = (tunnel, client[1]) if client[1] != name else (service, name)
                # Who is on the same machine as the uploads has them as files.
                if entrance != ("media", name):
                    links.append(link(client, entrance, purpose))
            for machine in services[tunnel]:
                target = service if machine == name else tunnel
                links.append(link((tunnel, machine), (target, name), purpose))
    links += [link(*pair) for pair in _backups(services)]
    for name in services["patroni"]:
        for voter in services["etcd"]:
            links.append(link(("patroni", name), ("etcd", voter), "consensus"))
        for other in services["patroni"]:
            if other != name:
                links.append(link(("patroni", name), ("patroni", other), "consensus"))
    for name in services["etcd"]:
        for other in services["etcd"]:
            if other != name:
                port = SERVICES["etcd"].second_port
                links.append(link(("etcd", name), ("etcd", other), "consensus", port))
    return links


def _backups(
    services: Mapping[str, list[str]],
) -> Iterator[tuple[tuple[str, str], tuple[str, str], str]]:
    """Yield source, target and purpose of the links between what copies and what keeps copies.

    A machine that makes a backup of a replica asks the primary too.
    """
    primary, replicas = services["postgresql_primary"], services["postgresql_replica"]
    for repository in services["pgbackrest_repository"]:
        for name in services["pgbackrest"]:
            yield ("pgbackrest", name), ("pgbackrest_repository", repository), "archive"
            yield ("pgbackrest_repository", repository), ("pgbackrest", name), "backup"
    if services["pgbackrest"] and not services["pgbackrest_repository"]:
        for name in replicas:
            yield ("pgbackrest", name), ("pgbackrest", primary[0]), "backup"
    for repository in services["restic_repository"]:
        for name in services["restic"]:
            yield ("restic", name), ("restic_repository", repository), "uploads"
