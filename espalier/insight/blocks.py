"""What a recording shows in each block of five seconds, as two recordings are compared by it."""

from __future__ import annotations

from statistics import fmean

from espalier.insight.recording import Recording, Step

BLOCK = 5  # seconds


def counts(recording: Recording, step: Step) -> list[float]:
    """Requests answered well in each block of a step."""
    blocks = [0.0] * int((step.ended - step.began) // BLOCK)
    for name, request in recording.requests():
        place = int((request.t - step.began) // BLOCK)
        if 0 <= place < len(blocks) and request.status < 500:
            blocks[place] += recording.machines[name].every
    return blocks if any(blocks) else []


def processor_times(recording: Recording) -> list[float]:
    """Processor seconds of all services for a page, in each block."""
    busy: dict[int, float] = {}
    for machine in recording.machines.values():
        for sample in machine.samples:
            cpu = sum(service.cpu for service in sample.services.values()) * sample.dt
            place = int((sample.t - sample.dt / 2 - recording.began) // BLOCK)
            busy[place] = busy.get(place, 0.0) + cpu
    found = sorted(pages(recording).items())
    return [busy[place] / count for place, count in found if place in busy]


def pages(recording: Recording) -> dict[int, float]:
    """Pages in each block that has any; files, which nginx answers by itself, cost next to nothing.

    A log that was thinned out stands for as many more.
    """
    found: dict[int, float] = {}
    for name, request in recording.requests():
        if request.upstream is not None or request.cache:
            place = int((request.t - recording.began) // BLOCK)
            found[place] = found.get(place, 0.0) + recording.machines[name].every
    return found


def response_times(recording: Recording) -> list[float]:
    """Mean seconds that Django took, in each block."""
    took: dict[int, list[float]] = {}
    for _, request in recording.requests():
        if request.upstream is not None:
            place = int((request.t - recording.began) // BLOCK)
            took.setdefault(place, []).append(request.upstream)
    return [fmean(values) for _, values in sorted(took.items())]
