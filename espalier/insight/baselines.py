"""Two simple ways to decide, for comparison with `advise` in the trials."""

from __future__ import annotations

from espalier.insight.advice import Place, Remedy
from espalier.insight.evidence import Evidence, Kind
from espalier.insight.state import saturated

# What somebody would do who looks at utilisations alone.
_BY_KIND = {
    Kind.WORKERS: (Place.WORKERS, Remedy.WORKERS),
    Kind.DISK: (Place.DISK, Remedy.DISK),
    Kind.THREADS: (Place.THREADS, Remedy.THREADS),
    Kind.POOL: (Place.POOL, Remedy.LARGER_POOL),
    Kind.CONNECTIONS: (Place.CONNECTIONS, Remedy.PGBOUNCER),
}
_BY_SERVICE = {
    "postgresql_primary": (Place.DATABASE_PROCESSOR, Remedy.REPLICAS),
    "postgresql_replica": (Place.DATABASE_PROCESSOR, Remedy.REPLICAS),
    "pgbouncer": (Place.DATABASE_PROCESSOR, Remedy.REPLICAS),
    "nginx": (Place.NGINX, Remedy.LARGER_MACHINE),
}
_APP = (Place.APP_PROCESSOR, Remedy.APP_SERVERS)


def highest_utilisation(evidence: Evidence) -> tuple[Place, Remedy]:
    """The part that is used most, whatever waits for it; nothing below 60%."""
    parts = saturated(evidence).parts
    most = max(parts, key=lambda part: part.utilisation, default=None)
    if most is None or most.utilisation < 0.6:
        return Place.NOWHERE, Remedy.NOTHING
    if most.kind in _BY_KIND:
        return _BY_KIND[most.kind]
    return _BY_SERVICE.get(most.service or most.busiest, _APP)


def always_app_servers(evidence: Evidence) -> tuple[Place, Remedy]:
    """More machines for Django, whatever was measured."""
    del evidence
    return _APP


BASELINES = {
    "highest utilisation wins": highest_utilisation,
    "always app_servers": always_app_servers,
}
