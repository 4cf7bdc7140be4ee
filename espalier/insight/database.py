"""What the primary of PostgreSQL shows, and its replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from espalier.insight.evidence import Database
from espalier.insight.figures import mean, mean_or_none, ratio
from espalier.insight.readings import Postgresql
from espalier.insight.recording import Recording, Statement
from espalier.insight.window import Row, Window

# From this share of max_connections on, a new connection may be refused: some are kept for the
# superuser, and a mean of ten looks misses the highest.
_NEARLY_ALL = 0.9


def database(recording: Recording, window: Window, rows: Sequence[Row]) -> Database:
    """Return the database's evidence; an empty one where no primary was sampled.

    Args:
        recording: of the site. Statements are those of all of it, everything else of the window.
        window: the seconds that count.
        rows: the requests of the window.
    """
    replicas = {
        name: mean_or_none(one.replica_lag for one in window.samples(machine.samples)) or 0.0
        for name, machine in recording.machines.items()
        if "postgresql_replica" in machine.services
    }
    name = next(
        (n for n, one in recording.machines.items() if "postgresql_primary" in one.services), ""
    )
    primary = recording.machines.get(name)
    looks = [
        sample.postgresql
        for sample in window.samples(primary.samples if primary else ())
        if sample.postgresql
    ]
    limit = recording.site.max_connections
    if primary is None or not looks:
        return Database(machine=name, max_connections=limit, replicas=replicas)

    def of(read: Callable[[Postgresql], float]) -> float:
        return mean(read(one) for one in looks)

    hit, missed = of(lambda one: one.blocks_hit), of(lambda one: one.blocks_read)
    syncs = of(lambda one: one.wal_syncs)
    sync_seconds = mean_or_none(one.sync_seconds for one in looks)
    return Database(
        machine=name,
        active=of(lambda one: one.active),
        connections=of(lambda one: one.connections),
        max_connections=limit,
        most_connections=max(one.connections for one in looks),
        idle_in_transaction=of(lambda one: one.idle_in_transaction),
        waits=_means([one.waits for one in looks]),
        hit_ratio=ratio(hit, hit + missed) if hit + missed else 1.0,
        reads_share=reads_share(primary.statements, rows),
        read_seconds=of(lambda one: one.read_seconds),
        sync_wait=ratio(sync_seconds, syncs) if sync_seconds is not None and syncs else None,
        sessions=of(lambda one: one.sessions),
        commits=of(lambda one: one.commits),
        blocking=_means([one.blocked_by for one in looks]),
        refused=_refused(recording, window, rows, name),
        replicas=replicas,
    )


def reads_share(statements: Sequence[Statement], rows: Sequence[Row]) -> float:
    """Return the share of the database's time that a replica could take.

    A SELECT in a request that also writes stays with the primary. So it is the lower of two shares:
    of statements' time, that in SELECTs; of requests' time in the database, that in requests which
    change nothing. Where only one of them is known, that one.

    Args:
        statements: of the primary.
        rows: the requests of the window.
    """
    shares = []
    if seconds := sum(one.seconds for one in statements):
        shares.append(sum(one.seconds for one in statements if one.reads) / seconds)
    asked = [
        (row.weight * row.request.database, row.request.writes)
        for row in rows
        if row.request.upstream is not None  # what a cache kept has the times of another request
    ]
    if taken := sum(seconds for seconds, _ in asked):
        shares.append(sum(seconds for seconds, writes in asked if not writes) / taken)
    return min(shares, default=0.0)


def statements(recording: Recording) -> list[Statement]:
    """Return the statements of all machines, those that took longest first."""
    found = [one for machine in recording.machines.values() for one in machine.statements]
    return sorted(found, key=lambda one: -one.seconds)


def _means(looks: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each name; a look that does not have it counts as 0."""
    names = dict.fromkeys(name for look in looks for name in look)
    return {name: mean(look.get(name, 0.0) for look in looks) for name in names}


def _refused(recording: Recording, window: Window, rows: Sequence[Row], name: str) -> int:
    full = {
        window.second(sample.t - sample.dt / 2)
        for sample in window.samples(recording.machines[name].samples)
        if sample.postgresql
        and sample.postgresql.connections >= _NEARLY_ALL * recording.site.max_connections
    }
    return sum(
        row.weight
        for row in rows
        if row.request.status >= 500 and window.second(row.request.t) in full
    )
