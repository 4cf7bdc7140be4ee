"""Changes that bring more hardware: a machine, a replica, a larger machine or quota."""

from __future__ import annotations

from collections.abc import Sequence

from espalier.insight import edits
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Edit, Place, Remedy
from espalier.insight.evidence import Evidence, Interval, Kind, Part
from espalier.insight.predict import (
    apart,
    connections_of,
    predicted,
    widened,
    with_app_machine,
    with_replica,
)
from espalier.insight.price import machine_price, priced
from espalier.insight.recording import SiteFacts
from espalier.insight.state import COMPUTING, DATABASES, django_machines

_NEW = "Write the addresses of {name}, a new machine, into hosts.yml. "
RUN = ("espalier check", "espalier site")


def app_machine(evidence: Evidence, part: Part) -> Change:
    """A further machine that runs Django: tier app_servers."""
    site = evidence.site
    machines = django_machines(evidence)
    spares = [name for name in site.duties.get("app", ()) if name not in machines]
    name, made = _further(site, "app_servers", "app", spares)
    changed = []
    for one in evidence.parts:
        if not set(one.machines) & set(machines):
            continue
        if one.kind == Kind.PROCESSOR and "django" in (one.busiest, *one.shares):
            cores = one.capacity / len(one.machines)
            changed.append((one, with_app_machine(one, cores, len(one.machines))))
        elif one.kind == Kind.WORKERS or (one.kind == Kind.SERVICE and one.service == "django"):
            more_of_it = (len(machines) + 1) / max(len(machines), 1)
            changed.append((one, widened(one.bound.scaled(more_of_it), 0.85, 1.08)))
    connections = connections_of(evidence, 1)
    most = evidence.database.max_connections or site.max_connections
    limit = ""
    said = f"Run Django on {name} as well."
    if "pgbouncer" not in site.tiers and connections > at.CONNECTIONS_MOST * most:
        limit = "database connections"
        said += (
            f" Its {connections} connections would come near the {most} that PostgreSQL allows: "
            "switch `pgbouncer` on with it."
        )
    change = Change(
        Remedy.APP_SERVERS,
        Place.APP_PROCESSOR,
        said + _addresses(made, name),
        made,
        then=RUN,
        next_limit=limit,
    )
    price = machine_price(site, machines[0] if machines else "")
    return priced(predicted(change, evidence, changed), price)


def moved_django(evidence: Evidence, part: Part) -> Change:
    """Django and the database on a machine each: Django moves, as it keeps no data."""
    name, made = edits.machine_instead(evidence.site, "app")
    changed = [
        (one, apart(one))
        for one in evidence.parts
        if one.kind == Kind.PROCESSOR and set(one.machines) & set(part.machines)
    ]
    change = Change(
        Remedy.SPLIT_MACHINES,
        Place.APP_PROCESSOR if part.busiest == "django" else Place.DATABASE_PROCESSOR,
        f"Give Django and PostgreSQL a machine each: Django moves to {name}."
        + _addresses(made, name),
        made,
        then=RUN,
    )
    price = machine_price(evidence.site, part.machines[0])
    return priced(predicted(change, evidence, changed), price)


def replica(evidence: Evidence, part: Part) -> Change:
    """A further machine that answers reads: tier replicas."""
    site = evidence.site
    placed = {name for names in site.services.values() for name in names}
    spares = [name for name in site.duties.get("db", ())[1:] if name not in placed]
    name, made = _further(site, "replicas", "db", spares)
    reads = evidence.database.reads_share
    count = len(evidence.database.replicas)
    changed = [
        (one, with_replica(one, reads, count))
        for one in evidence.parts
        if one.is_hard
        and one.kind != Kind.WORKERS
        and set(one.machines) & set(part.machines)
        and {one.service, one.busiest, *one.shares} & set(DATABASES)
    ]
    change = Change(
        Remedy.REPLICAS,
        Place.DATABASE_PROCESSOR,
        f"Let {name} answer reads as a replica." + _addresses(made, name),
        made,
        then=RUN,
    )
    price = machine_price(site, part.machines[0])
    return priced(predicted(change, evidence, changed), price)


def larger_machine(evidence: Evidence, part: Part, place: Place) -> Change:
    """Twice the cores; an upgrade of a VPS costs about as much again."""
    machines = ", ".join(part.machines)
    change = Change(
        Remedy.LARGER_MACHINE,
        place,
        f"Rent a larger machine for {machines}: twice the cores.",
        then=RUN,
    )
    # The kit runs as many worker processes more, so that they are no limit.
    changed = [
        (one, Interval(one.bound.low * 1.5, one.bound.value * 1.8, one.bound.high * 2.0))
        for one in evidence.parts
        if one.kind in COMPUTING and set(one.machines) & set(part.machines)
    ]
    price = machine_price(evidence.site, part.machines[0] if part.machines else "")
    return priced(predicted(change, evidence, changed), price)


def raised_quota(evidence: Evidence, part: Part, place: Place) -> Change:
    """More of the machine's own cores for a service that a quota holds back."""
    machine = evidence.machines.get(part.machines[0]) if part.machines else None
    cores = machine.cores if machine else part.capacity
    factor = max(cores / part.capacity, 1.0) if part.capacity else 1.0
    change = Change(
        Remedy.LARGER_MACHINE,
        place,
        f"Raise the quota (CPUQuota) of {part.service or part.busiest} on "
        f"{', '.join(part.machines)}, which has {cores:g} cores.",
        then=(),
    )
    new = part.bound.scaled(factor)
    return priced(predicted(change, evidence, [(part, new)]), 0.0)


def _further(
    site: SiteFacts, tier: str, duty: str, spares: Sequence[str]
) -> tuple[str, Sequence[Edit]]:
    """A machine for a tier, and the edits: a spare one with the duty, where the tier is off."""
    switched = edits.tier(site, tier)
    if switched and spares:
        return spares[0], switched
    name, more = edits.machine_for(site, duty)
    return name, [*switched, *more]


def _addresses(made: Sequence[Edit], name: str) -> str:
    new = any(path == f"all.hosts.{name}" for edit in made for path, _ in edit.values)
    return " " + _NEW.format(name=name).strip() if new else ""
