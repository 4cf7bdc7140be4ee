"""Machines and services that have too little memory."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import edits, usual
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence, MachineEvidence
from espalier.insight.finding import Finding, Level
from espalier.insight.price import machine_price
from espalier.insight.state import saturated, suffering
from espalier.insight.words import figure, percent


def signs(machine: MachineEvidence) -> list[str]:
    """What says that memory is too small for what runs there; page cache that is full does not."""
    found = []
    if machine.killed > 0:
        found.append("processes were killed for lack of memory")
    if (machine.memory_full or 0.0) >= at.MEMORY_FULL:
        found.append(f"everything waited for memory for {percent(machine.memory_full or 0)} of it")
    if machine.swapped_in >= at.SWAPPED_IN:
        found.append(f"{figure(machine.swapped_in)} pages a second came back from swap")
    # A database reads data again as a matter of course; a program that does has lost its own code.
    again = machine.refaults >= at.REFAULTS and "postgresql_primary" not in machine.services
    faults = machine.major_faults >= at.MAJOR_FAULTS
    if machine.limit_hits >= at.LIMIT_HITS and (faults or again):
        found.append(
            f"a limit of memory was met {figure(machine.limit_hits)} times a second, and "
            f"{figure(max(machine.major_faults, machine.refaults))} pages a second were read again"
        )
    return found


def scarce(evidence: Evidence) -> Iterator[Finding]:
    """A machine whose programs wait for memory."""
    for name, machine in saturated(evidence).machines.items():
        found = signs(machine)
        grave = machine.killed > 0 or (machine.memory_full or 0.0) >= at.MEMORY_FULL
        if not found or not (grave or suffering(evidence)):
            continue
        limited = {
            service: limit
            for service, limit in machine.memory_limits.items()
            if machine.service_memory_mb.get(service, 0.0) >= 0.8 * limit
        }
        service = max(limited, key=lambda one: machine.service_faults.get(one, 0.0), default="")
        yield Finding(
            Place.MEMORY,
            f"{service} on {name}" if service else name,
            Level.FAILURE,
            0.9,
            [*found, f"{figure(machine.memory_available_mb)} MiB are available on {name}"],
            _changes(evidence, machine, service),
        )


def more_memory(evidence: Evidence, name: str, service: str = "", limit: float = 0.0) -> Change:
    """A machine with twice the memory, or a limit that is raised."""
    if service:
        sentence = f"Raise the limit of {service}'s memory on {name} (MemoryMax, {limit:g} MiB)."
    else:
        size = evidence.machines[name].memory_mb if name in evidence.machines else 0
        sentence = f"Rent more memory for {name}: {2 * size:g} MiB instead of {size:g}."
    cost = 0.0 if service else machine_price(evidence.site, name)
    return Change(Remedy.MEMORY, Place.MEMORY, sentence, then=["espalier site"], cost=cost)


def _changes(evidence: Evidence, machine: MachineEvidence, service: str) -> list[Change]:
    more = more_memory(evidence, machine.name, service, machine.memory_limits.get(service, 0.0))
    workers = evidence.site.workers.get(machine.name, 0)
    fitting = max(int(machine.cores) + 1, 2)
    if workers <= 1 or "django" not in machine.services:
        return [more]
    fewer = max(min(fitting, workers - 1), 1)
    less = Change(
        Remedy.FEWER_WORKERS,
        Place.MEMORY,
        f"Run {fewer} worker processes on {machine.name} instead of {workers}.",
        [
            edits.host_variable(
                machine.name,
                "django_workers",
                fewer,
                usual.written(workers, usual.workers(evidence, machine.name)),
            )
        ],
        then=["espalier site"],
        cost=0.0,
    )
    return [less, more] if workers > fitting else [more, less]
