"""Processors of machines, quotas of services, and worker processes."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import edits, usual
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, Interval, Kind, Part
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import predicted
from espalier.insight.price import best_first, priced
from espalier.insight.rules.hardware import (
    app_machine,
    larger_machine,
    moved_django,
    raised_quota,
    replica,
)
from espalier.insight.state import (
    DATABASES,
    django_machines,
    load_of,
    processor,
    saturated,
    strained,
    suffering,
)
from espalier.insight.words import cores, figure, percent, rate

_DJANGO = ("django", "app_proxy")


def place_of(evidence: Evidence, part: Part) -> Place:
    """The place of a full processor or quota, by the service that takes most of it."""
    service = part.service or part.busiest
    if part.kind == Kind.WORKERS or service in _DJANGO:
        return Place.APP_PROCESSOR
    if service in DATABASES:
        reads = evidence.database.reads_share >= at.READS_SHARE
        return Place.DATABASE_PROCESSOR if reads else Place.DATABASE_WRITES
    return Place.NGINX if service == "nginx" else Place.HOST


def host(evidence: Evidence) -> Iterator[Finding]:
    """A machine that does not get the cores which it should have."""
    for name, machine in saturated(evidence).machines.items():
        allowed = machine.cores or 1.0
        stolen = machine.steal * allowed
        full = machine.busy + stolen >= at.FULL * allowed
        # A quota that is known as the machine's cores is full like any processor. One that holds
        # it back below them is the provider's.
        held_back = (
            machine.throttled >= at.THROTTLED
            and machine.busy < at.STRAINED * allowed
            and suffering(evidence)
        )
        if not (machine.steal >= at.STEAL and full) and not held_back:
            continue
        if held_back:
            said = f"{name} was held back for {percent(machine.throttled)} of the time"
        else:
            said = f"the host takes {percent(machine.steal)} of {name}'s cores away (steal)"
        part = processor(evidence, name)
        change = Change(
            Remedy.LARGER_MACHINE,
            Place.HOST,
            f"Rent cores for {name} that nobody else uses, a larger machine or a larger quota: no "
            "tier gives back what the host takes.",
        )
        if part:
            new = part.bound.scaled(1 / (1 - min(machine.steal, 0.8)))
            change = priced(predicted(change, evidence, [(part, new)]), None)
        yield Finding(
            Place.HOST,
            name,
            Level.FAILURE,
            min(1.0, 0.5 + max(machine.steal, machine.throttled)),
            [said, f"it used {cores(machine.busy)} of {figure(allowed)}"],
            [change],
            part,
        )


def workers(evidence: Evidence) -> Iterator[Finding]:
    """Processes of Django that are full, one core each, while cores are idle."""
    for part in evidence.parts:
        if part.kind != Kind.WORKERS:
            continue
        machines = [evidence.machines[name] for name in part.machines if name in evidence.machines]
        at_end = saturated(evidence)
        busiest = max(
            (
                at_end.machines[m.name].busiest_process
                for m in machines
                if m.name in at_end.machines
            ),
            default=0.0,
        )
        total = sum(machine.cores for machine in machines)
        beneath = [
            one
            for one in evidence.parts
            if one.kind in (Kind.PROCESSOR, Kind.SERVICE)
            and set(one.machines) & set(part.machines)
            and (one.kind == Kind.PROCESSOR or one.service in _DJANGO)
        ]
        near = any(one.bound.value < at.MARGIN * part.bound.value for one in beneath)
        uneven = (
            busiest >= at.PROCESS_FULL
            and at_end.split.share("queue") >= at.QUEUE_SHARE
            and all(load_of(evidence, one) < at.STRAINED for one in beneath)
        )
        count = _count(evidence, part)
        few = count < total and not near and load_of(evidence, part) >= at.STRAINED
        if not few and not (uneven and count < total + len(machines)):
            continue
        yield Finding(
            Place.WORKERS,
            ", ".join(part.machines),
            Level.HARD,
            max(load_of(evidence, part), busiest),
            [
                f"{figure(count)} worker process{'es' if count > 1 else ''} on "
                f"{figure(total)} cores; the busiest one uses {cores(busiest)}, and one process "
                "cannot use more than about one",
                _idle_cores(beneath),
            ],
            [_more_workers(evidence, part)],
            part,
        )


def _idle_cores(beneath: list[Part]) -> str:
    if not beneath:
        return "other cores are idle"
    lowest = min(part.bound.value for part in beneath)
    return f"the processors would do for {rate(lowest)}"


def _more_workers(evidence: Evidence, part: Part) -> Change:
    changes = []
    count = {}
    for name in part.machines:
        now = evidence.site.workers.get(name)
        wanted = usual.workers(evidence, name)
        count[name] = max(wanted, now or 0)
        before = usual.written(now, wanted)
        changes.append(edits.host_variable(name, "django_workers", count[name], before))
    total = sum(count.values())
    usable = min(total, sum(evidence.machines[n].cores for n in count if n in evidence.machines))
    factor = max(usable, part.capacity) / max(part.capacity, 1)
    change = Change(
        Remedy.WORKERS,
        Place.WORKERS,
        f"Run {figure(total)} worker processes, one a core and one to spare.",
        changes,
        then=["espalier site"],
    )
    new = Interval(
        part.bound.low * factor * 0.9, part.bound.value * factor, part.bound.high * factor * 1.1
    )
    return priced(predicted(change, evidence, [(part, new)]), 0.0)


def parts(evidence: Evidence) -> Iterator[Finding]:
    """Processors and quotas that are full."""
    for part in strained(evidence):
        if part.kind not in (Kind.PROCESSOR, Kind.SERVICE, Kind.WORKERS):
            continue
        if part.kind == Kind.WORKERS and not _all_cores_have_workers(evidence, part):
            continue  # `workers` is the rule for them
        place = place_of(evidence, part)
        where = _where(part)
        used = f"{figure(part.busy)} of {figure(part.capacity)} cores"
        said = [f"{used} in use on {where}; full at {rate(part.bound.value)}"]
        split = saturated(evidence).split
        if place == Place.APP_PROCESSOR and split.total:
            said.append(
                f"a response computes for {percent(split.share('computing'))} of its time and "
                f"waits for a core for {percent(split.share('waiting'))}"
            )
        if place in (Place.DATABASE_PROCESSOR, Place.DATABASE_WRITES):
            said.append(
                f"{percent(evidence.database.reads_share)} of the statements' time could be "
                "answered by a replica; "
                f"{figure(saturated(evidence).database.active)} sessions are active"
            )
        yield Finding(
            place,
            where,
            Level.HARD,
            min(load_of(evidence, part), 1.0),
            said,
            _changes(evidence, part, place),
            part,
        )


def _all_cores_have_workers(evidence: Evidence, part: Part) -> bool:
    total = sum(evidence.machines[n].cores for n in part.machines if n in evidence.machines)
    near = any(
        one.bound.value < at.MARGIN * part.bound.value
        for one in evidence.parts
        if one.kind in (Kind.PROCESSOR, Kind.SERVICE) and set(one.machines) & set(part.machines)
    )
    return near or _count(evidence, part) >= total


def _count(evidence: Evidence, part: Part) -> float:
    """How many processes there are; the part's capacity has at most one a core of them."""
    known = [evidence.site.workers.get(name, 0) for name in part.machines]
    return float(sum(known)) or part.capacity


def _where(part: Part) -> str:
    machines = ", ".join(part.machines)
    service = part.service or part.busiest
    if service in _DJANGO or not service:
        return machines
    names = {"postgresql_primary": "PostgreSQL", "postgresql_replica": "PostgreSQL"}
    return f"{names.get(service, service)} on {machines}"


def _changes(evidence: Evidence, part: Part, place: Place) -> list[Change]:
    more = [raised_quota(evidence, part, place)] if part.kind == Kind.SERVICE else []
    if place == Place.APP_PROCESSOR:
        options = [app_machine(evidence, part)]
        if set(part.machines) & set(evidence.site.services.get("postgresql_primary", ())):
            options.append(moved_django(evidence, part))
        return [*best_first(options), *more, larger_machine(evidence, part, place)]
    if place in (Place.DATABASE_PROCESSOR, Place.DATABASE_WRITES):
        options = []
        shared = bool(set(part.machines) & set(django_machines(evidence)))
        if place == Place.DATABASE_PROCESSOR and evidence.site.overlay:
            options.append(replica(evidence, part))
        if shared and part.kind == Kind.PROCESSOR:
            options.append(moved_django(evidence, part))
        return [*best_first(options), *more, larger_machine(evidence, part, place)]
    return [*more, larger_machine(evidence, part, place)]
