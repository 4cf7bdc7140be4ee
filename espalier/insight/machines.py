"""What each machine shows, as means over the seconds that count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from espalier.insight.evidence import MachineEvidence
from espalier.insight.figures import mean, mean_or_none, ratio
from espalier.insight.readings import Sample, Service
from espalier.insight.recording import Machine, Recording
from espalier.insight.window import Window


def machines(recording: Recording, window: Window) -> dict[str, MachineEvidence]:
    """Return the evidence of each machine; one without samples in the window shows zeros.

    Args:
        recording: of the site.
        window: the seconds that count.
    """
    names = {address: name for name, address in recording.site.addresses.items()}
    return {
        name: _machine(name, machine, window.samples(machine.samples), names)
        for name, machine in recording.machines.items()
    }


def means(readings: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each name over the readings that have it."""
    found: dict[str, list[float]] = {}
    for reading in readings:
        for name, value in reading.items():
            found.setdefault(name, []).append(value)
    return {name: mean(values) for name, values in found.items()}


def _machine(
    name: str, machine: Machine, samples: Sequence[Sample], names: Mapping[str, str]
) -> MachineEvidence:
    def of(read: Callable[[Sample], float]) -> float:
        return mean(read(one) for one in samples)

    def told(read: Callable[[Sample], float | None]) -> float | None:
        return mean_or_none(read(one) for one in samples)

    def services(read: Callable[[Service], float]) -> dict[str, float]:
        found = dict.fromkeys(service for one in samples for service in one.services)
        return {
            service: mean(read(one.services.get(service, Service())) for one in samples)
            for service in found
        }

    processes = _processes(samples)
    seconds = of(lambda one: one.dt) or 1.0
    return MachineEvidence(
        name=name,
        cores=machine.cores,
        memory_mb=machine.memory_mb,
        services=tuple(machine.services),
        busy=of(lambda one: one.processor.busy),
        steal=ratio(of(lambda one: one.processor.steal), machine.cores),
        # A cgroup counts the time that it was held back once for each core.
        throttled=min(1.0, of(lambda one: one.processor.throttled) / seconds),
        service_memory_mb=services(lambda one: one.memory_mb),
        service_faults=services(lambda one: one.major_faults),
        quotas=machine.quotas,
        memory_limits=machine.memory_limits,
        busiest_process=processes[0] if processes else 0.0,
        processes=processes,
        memory_full=told(lambda one: one.pressure.memory_full),
        memory_available_mb=of(lambda one: one.memory.available_mb),
        swapped_in=of(lambda one: one.memory.swapped_in),
        major_faults=of(lambda one: one.memory.major_faults),
        refaults=of(lambda one: one.memory.refaults),
        limit_hits=of(lambda one: one.memory.limit_hits),
        killed=of(lambda one: one.memory.killed),
        io_full=told(lambda one: one.pressure.io_full),
        io_some=told(lambda one: one.pressure.io_some),
        sent_mb=of(lambda one: one.network.sent_mb),
        received_mb=of(lambda one: one.network.received_mb),
        retransmitted=ratio(
            of(lambda one: one.network.retransmitted), of(lambda one: one.network.segments)
        ),
        round_trips=_named(means(one.network.round_trips for one in samples), names),
        peers_retransmitted=_named(_peers_retransmitted(samples), names),
        listen_queue=told(lambda one: one.listen_queue) or 0.0,
    )


def _processes(samples: Sequence[Sample]) -> tuple[float, ...]:
    """Return the mean of Django's busiest process, of the second busiest, and so on."""
    lists = [one.services["django"].processes for one in samples if "django" in one.services]
    longest = max(map(len, lists), default=0)
    return tuple(
        mean(one[place] if place < len(one) else 0.0 for one in lists) for place in range(longest)
    )


def _peers_retransmitted(samples: Sequence[Sample]) -> dict[str, float]:
    sent: dict[str, float] = {}
    again: dict[str, float] = {}
    for one in samples:
        for address, count in one.network.peers_segments.items():
            sent[address] = sent.get(address, 0.0) + count
        for address, count in one.network.peers_retransmitted.items():
            again[address] = again.get(address, 0.0) + count
    return {address: ratio(again.get(address, 0.0), count) for address, count in sent.items()}


def _named(by_address: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """Return the same by the machine's name, where the address is one of the site's."""
    return {names.get(address, address): value for address, value in by_address.items()}
