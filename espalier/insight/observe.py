"""From a recording to its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from espalier.insight.database import database, statements
from espalier.insight.evidence import Evidence
from espalier.insight.figures import percentile
from espalier.insight.machines import machines, means
from espalier.insight.parts import parts
from espalier.insight.readings import Sample
from espalier.insight.recording import Recording, Step
from espalier.insight.replay import replays
from espalier.insight.split import database_waits, split
from espalier.insight.views import errors, quietest, views
from espalier.insight.window import Choice, Window, choose, counts, of_step, too_little

_MIB = 1024 * 1024


def observe(recording: Recording) -> Evidence:
    """Return what a recording shows.

    Args:
        recording: of a whole site, of production or of a load.

    Returns:
        The evidence of the seconds that count (see `window.choose`). Where nothing can be told,
        `enough` is false, and the rest is what there is.
    """
    choice = choose(recording)
    evidence = _evidence(recording, choice.window, choice.step)
    why_not = choice.why_not or _why_not(recording, choice, evidence)
    evidence = replace(
        evidence, failed=choice.failed is not None, enough=not why_not, why_not=why_not
    )
    if choice.failed is None:
        return evidence
    beyond = _evidence(recording, of_step(choice.failed), choice.failed)
    beyond = replace(
        beyond, failed=True, sustained=evidence.sustained, enough=evidence.enough, why_not=why_not
    )
    return replace(evidence, beyond=beyond)


def _evidence(recording: Recording, window: Window, step: Step | None) -> Evidence:
    rows = window.rows(recording)
    pages = sum(row.weight for row in rows if row.is_page)
    answered = sum(row.weight for row in rows if row.request.upstream is not None)
    of_database = database(recording, window, rows)
    primary = recording.machines.get(of_database.machine)
    times = split(rows, database_waits(window.samples(primary.samples if primary else ())))
    rate = pages / window.seconds
    if not pages and step:
        rate = step.achieved
    took = [row.request.took for row in rows if row.is_page]
    slow, quick = percentile(took, 0.95), quietest(rows)
    if step and recording.load:
        slow = step.p95
        lowest = [one for one in recording.load.steps if counts(one)] or [step]
        quick = min(lowest, key=lambda one: one.offered).p95
    found = parts(recording, window, rows)
    samples = list(_samples(recording, window))
    return Evidence(
        site=recording.site,
        purpose=recording.purpose,
        seconds=float(window.seconds),
        rate=rate,
        rate_django=answered / window.seconds,
        sustained=step.achieved if step else rate,
        failed=False,
        enough=True,
        why_not="",
        parts=found,
        certain=next((part.lowest for part in found if part.is_hard), 0.0),
        split=times.split,
        views=views(rows),
        database=of_database,
        machines=machines(recording, window),
        statements=statements(recording),
        replays=replays(recording, window),
        load=recording.load,
        slow=slow,
        quick=quick,
        errors=errors(rows),
        pool=means(one.pool.model_dump() for one in samples if one.pool),
        redis=means(one.redis.model_dump() for one in samples if one.redis),
        queues=_queues(samples),
        bytes_sent=sum(row.weight * row.request.bytes for row in rows) / _MIB / window.seconds,
        timing=times.timing,
        facts=_facts(recording, window),
    )


def _why_not(recording: Recording, choice: Choice, evidence: Evidence) -> str:
    if not any(choice.window.samples(one.samples) for one in recording.machines.values()):
        return (
            "No machine told anything in the seconds that count: see the errors of the recording."
        )
    if recording.purpose == "measure":
        return too_little(choice.window, evidence.rate_django * evidence.seconds)
    if not evidence.parts:
        return "No request of the load is in nginx' log: was it sent to this site?"
    return ""


def _samples(recording: Recording, window: Window) -> Iterator[Sample]:
    for machine in recording.machines.values():
        yield from window.samples(machine.samples)


def _queues(samples: list[Sample]) -> dict[str, list[float]]:
    """Return the length of each queue of jobs, over time."""
    found: dict[str, list[float]] = {}
    for sample in sorted(samples, key=lambda one: one.t):
        for name, length in sample.queues.items():
            found.setdefault(name, []).append(float(length))
    return found


def _facts(recording: Recording, window: Window) -> Mapping[str, Any]:
    """Return what no other field has.

    Returns:
        `id` and `made` of the recording; `began`, when the window began; `every`, how far nginx'
        log was thinned out; `errors`, what could not be read, by machine; `cost`, what recording
        took, by machine; `silent`, the machines without a sample in the window.
    """
    found = recording.machines
    silent = [name for name, one in found.items() if not window.samples(one.samples)]
    return {
        "silent": silent,
        "id": recording.id,
        "made": recording.made,
        "began": window.began,
        "every": max((machine.every for machine in found.values()), default=1),
        "errors": {name: machine.errors for name, machine in found.items() if machine.errors},
        "cost": {name: machine.cost for name, machine in found.items() if machine.cost},
    }
