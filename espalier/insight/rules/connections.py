"""Connections to the database: refused, opened for each request, and the pool in front."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import edits, usual
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Edit, Place, Remedy
from espalier.insight.evidence import Evidence, Kind
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed, predicted, relieved
from espalier.insight.price import priced
from espalier.insight.state import (
    DATABASES,
    database_machine,
    held,
    held_share,
    is_busy,
    is_caused,
    saturated,
    windows,
)
from espalier.insight.words import duration, figure, percent

_WHERE = "PostgreSQL on {}"


def refused(evidence: Evidence) -> Iterator[Finding]:
    """Requests that failed because PostgreSQL had no connection left."""
    count = max(one.database.refused for one in windows(evidence))
    most = max(one.database.most_connections for one in windows(evidence))
    allowed = evidence.database.max_connections
    errors = max(one.errors for one in windows(evidence))
    if not allowed or most < min(at.CONNECTIONS_MOST * allowed, allowed - at.RESERVED):
        return
    if not count and errors <= at.ERRORS:
        return
    yield Finding(
        Place.CONNECTIONS,
        _WHERE.format(database_machine(evidence)),
        Level.FAILURE,
        1.0,
        [
            f"{count or 'some'} requests failed while {figure(most)} of {allowed} connections were "
            f"open, of which {at.RESERVED} are kept for the superuser",
            f"{percent(errors)} of all requests ended with an error",
        ],
        _fewer(evidence, min(errors + 0.2, 0.7)),
        evidence.part(Kind.CONNECTIONS),
    )


def many(evidence: Evidence) -> Iterator[Finding]:
    """Connections that come near what PostgreSQL allows: no limit yet."""
    most = max(one.database.most_connections for one in windows(evidence))
    allowed = evidence.database.max_connections
    if not allowed or most < at.CONNECTIONS_MOST * allowed or "pgbouncer" in evidence.site.tiers:
        return
    yield Finding(
        Place.CONNECTIONS,
        _WHERE.format(database_machine(evidence)),
        Level.NOTE,
        most / allowed,
        [f"{figure(most)} of {allowed} connections were open"],
        [_pgbouncer(evidence)],
    )


def opening(evidence: Evidence) -> Iterator[Finding]:
    """About one connection opened for each request, which a response waits for."""
    end = saturated(evidence)
    share = max(held_share(one, "connecting") for one in windows(evidence))
    each = max(
        one.database.sessions / one.rate_django if one.rate_django else 0.0
        for one in windows(evidence)
    )
    pooled = "pgbouncer" in evidence.site.tiers
    if share < at.CONNECTING_SHARE or (each < at.SESSIONS_A_REQUEST and not pooled):
        return
    busy = is_busy(evidence, ("django", *DATABASES))
    if not busy and not is_caused(evidence, share, at.CONNECTING_SHARE):
        return
    keep = Change(
        Remedy.KEEP_CONNECTIONS,
        Place.CONNECTIONS,
        "Keep connections open in the project's settings: CONN_MAX_AGE = 600, and "
        "CONN_HEALTH_CHECKS = True.",
        where='DATABASES["default"] of the settings',
        then=["espalier release"],
    )
    first = [] if pooled else [_pgbouncer(evidence)]
    if busy:
        # Both ends compute for TLS and for the password, and PostgreSQL starts a process.
        parts = relieved(evidence, (share * 0.2, share * 0.5, share * 0.9), (0.1, 0.3, 0.6))
        changes = [predicted(one, evidence, parts) for one in (*first, keep)]
    else:
        changes = [freed(one, evidence, share) for one in (*first, keep)]
    yield Finding(
        Place.CONNECTIONS,
        _WHERE.format(database_machine(evidence)),
        Level.CAUSE,
        share,
        [
            f"{figure(each)} connections are opened a request; to open one takes "
            f"{duration(end.split.connecting)} of a request, {percent(share)} of its time in Django"
        ],
        [priced(one, 0.0) for one in changes],
        explains=("django", *DATABASES),
    )


def small_pool(evidence: Evidence) -> Iterator[Finding]:
    """Clients that wait for pgbouncer's connections while the database has time."""
    if evidence.site.pool_size is None and not evidence.pool:
        return
    end = saturated(evidence)
    waiting = max(one.pool.get("clients_waiting", 0.0) for one in windows(evidence))
    waited = end.pool.get("waited", 0.0) / end.rate_django if end.rate_django else 0.0
    share = min(waited / held(end), 1.0) if held(end) else 0.0
    if waiting < at.POOL_CLIENTS_WAITING or share < at.POOL_WAIT_SHARE:
        return
    if is_busy(evidence, DATABASES, at.FULL):
        return
    machine = database_machine(evidence)
    now = evidence.site.pool_size or 0
    new = max(usual.pool(evidence, machine), 2 * now)
    change = Change(
        Remedy.LARGER_POOL,
        Place.POOL,
        f"Let pgbouncer open {new} connections instead of {now}.",
        [_pool(evidence, new)],
        then=["espalier site"],
    )
    yield Finding(
        Place.POOL,
        f"pgbouncer on {machine}",
        Level.SOFT,
        max(share, 0.5),
        [
            f"{figure(waiting)} clients wait for one of {now} connections, {duration(waited)} a "
            f"request, {percent(share)} of its time in Django",
            "the database has time",
        ],
        [priced(freed(change, evidence, share), 0.0)],
        evidence.part(Kind.POOL),
    )


def large_pool(evidence: Evidence) -> Iterator[Finding]:
    """More sessions at work than cores can serve, which a pool of the kit's size would not open."""
    now = evidence.site.pool_size
    machine = database_machine(evidence)
    if now is None or machine not in evidence.machines:
        return
    cores = evidence.machines[machine].cores
    fitting = usual.pool(evidence, machine)
    active = max(one.database.active for one in windows(evidence))
    if now < at.POOL_TOO_LARGE * fitting or active <= max(at.BACKENDS_A_CORE * cores, fitting):
        return
    if not is_busy(evidence, DATABASES):
        return
    change = Change(
        Remedy.SMALLER_POOL,
        Place.POOL,
        f"Let pgbouncer open {fitting} connections instead of {now}: those beyond take turns at "
        f"{figure(cores)} cores, and hold locks and memory meanwhile.",
        [_pool(evidence, fitting)],
        then=["espalier site"],
    )
    parts = relieved(evidence, (0.0, 0.0, 0.0), (0.05, 0.25, 0.5))
    yield Finding(
        Place.POOL,
        f"pgbouncer on {machine}",
        Level.REASON,
        min(active / (at.BACKENDS_A_CORE * cores) / 2, 1.0),
        [f"{figure(active)} sessions are active at once on {figure(cores)} cores, which are full"],
        [priced(predicted(change, evidence, parts), 0.0)],
        explains=DATABASES,
    )


def _fewer(evidence: Evidence, share: float) -> list[Change]:
    if "pgbouncer" not in evidence.site.tiers:
        change = freed(_pgbouncer(evidence), evidence, share)
        return [priced(change, 0.0)]
    machine = database_machine(evidence)
    now = evidence.site.pool_size or 0
    new = min(usual.pool(evidence, machine), max(evidence.database.max_connections // 2, 2))
    change = Change(
        Remedy.SMALLER_POOL,
        Place.CONNECTIONS,
        f"Let pgbouncer open {new} connections instead of {now}; PostgreSQL allows "
        f"{evidence.database.max_connections}.",
        [_pool(evidence, new)],
        then=["espalier site"],
    )
    return [priced(freed(change, evidence, share), 0.0)]


def _pool(evidence: Evidence, size: int) -> Edit:
    machine = database_machine(evidence)
    before = usual.written(evidence.site.pool_size, usual.pool(evidence, machine))
    return edits.host_variable(machine, "pgbouncer_pool_size", size, before)


def _pgbouncer(evidence: Evidence) -> Change:
    return Change(
        Remedy.PGBOUNCER,
        Place.CONNECTIONS,
        "Switch `pgbouncer` on: Django's connections share a few of PostgreSQL's, which stay open.",
        edits.tier(evidence.site, "pgbouncer"),
        then=("espalier check", "espalier site"),
        cost=0.0,
    )
