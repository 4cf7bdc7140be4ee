"""Placement: which service runs on which machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from espalier.inventory.services import ETCD_MEMBERS, SERVICES


def unique(names: Iterable[str]) -> list[str]:
    """Return the names without repeats, in order of first appearance."""
    return list(dict.fromkeys(names))


def voters(members: Mapping[str, list[str]]) -> list[str]:
    """Return the machines that may hold etcd, best first: the db machines must reach it most."""
    return unique([*members["db"], *members["app"], *members["web"]])


def place(
    tiers: Sequence[str], members: Mapping[str, list[str]], backup: str = ""
) -> dict[str, list[str]]:
    """Return the machines of every known service; `backup` is the destination's kind, or ""."""
    web, app, db = members["web"], members["app"], members["db"]
    django = app if "app_servers" in tiers else app[:1]
    replicas = db[1:] if "replicas" in tiers else []
    # Without a cache machine, the first app machine: it is the one that asks most.
    redis = (members["cache"] or app)[:1] if "redis" in tiers else []
    media = web[:1] if {*web, *django} - {web[0]} else []
    failover = "failover" in tiers
    repository = members["backup"][:1] if backup == "machine" else []
    placed = {
        "nginx": web,
        # Another machine's nginx cannot reach a unix socket; this proxy can, and keeps the
        # switch of a release what it is on one machine: the rename of a symlink. An nginx that
        # reaches any Django by TLS reaches its own machine's so, too: it knows one way for all.
        "app_proxy": [
            name for name in django if any(reaches_by_proxy(other, django) for other in web)
        ],
        "django": django,
        # Uploads are on the first web machine's disk; this gives them to the other machines.
        "media": media,
        "pgbouncer": [db[0], *replicas] if "pgbouncer" in tiers else [],
        "postgresql_primary": db[:1],
        "postgresql_replica": replicas,
        # Two of them: a cache may lose everything, a queue nothing.
        "redis": redis,
        "queue": redis,
        "media_tunnel": _ends(media, [*web, *django]),
        "redis_tunnel": _ends(redis, django),
        "queue_tunnel": _ends(redis, django),
        "pgbackrest": [db[0], *replicas] if backup else [],
        "pgbackrest_repository": repository,
        "restic": web[:1] if backup else [],
        "restic_repository": repository,
        "etcd": voters(members)[:ETCD_MEMBERS] if failover else [],
        "patroni": db if failover else [],
    }
    return {service: list(placed[service]) for service in SERVICES}


def reaches_by_proxy(web: str, django: Sequence[str]) -> bool:
    """Return whether a machine's nginx reaches Django by proxies: any of them is elsewhere."""
    return any(name != web for name in django)


def _ends(servers: Sequence[str], clients: Sequence[str]) -> list[str]:
    """Return the machines at which a tunnel has an end: none if nobody comes from another one."""
    found = unique([*servers, *clients])
    return found if servers and len(found) > 1 else []
