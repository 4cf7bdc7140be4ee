"""In what state a site was: the saturated window, what suffers, what is full, what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from espalier.insight import thresholds as at
from espalier.insight.evidence import Evidence, Kind, Part

PRIMARY = "postgresql_primary"
DATABASES = (PRIMARY, "postgresql_replica", "pgbouncer")
COMPUTING = (Kind.PROCESSOR, Kind.SERVICE, Kind.WORKERS)


def saturated(evidence: Evidence) -> Evidence:
    """The window that shows what was full: the step that failed, else the one that counts."""
    return evidence.beyond or evidence


def windows(evidence: Evidence) -> Iterator[Evidence]:
    """The window that counts, and the step that failed."""
    yield evidence
    if evidence.beyond:
        yield evidence.beyond


def silent(evidence: Evidence) -> list[str]:
    """The machines that told nothing in the seconds that count: what they do is not known."""
    told = [name for window in windows(evidence) for name in window.facts.get("silent", ())]
    return list(dict.fromkeys(told))


def suffering(evidence: Evidence) -> bool:
    """Whether visitors notice anything: errors, or answers that are slow."""
    return (
        evidence.failed
        or evidence.errors > at.ERRORS
        or evidence.slow > at.SLOW
        or (evidence.slow > at.SLOWER * evidence.quick > 0 and evidence.slow > at.NOTICED)
    )


def same_part(one: Part, other: Part) -> bool:
    """Whether two parts are the same one, of two windows."""
    return (one.kind, one.machines, one.service, one.name) == (
        other.kind,
        other.machines,
        other.service,
        other.name,
    )


def load_of(evidence: Evidence, part: Part) -> float:
    """The utilisation of a part at what the site answers at most, or beyond it: the higher one."""
    projected = evidence.sustained / part.bound.value if part.bound.value > 0 else 0.0
    seen = [
        one.utilisation
        for window in windows(evidence)
        for one in window.parts
        if same_part(one, part)
    ]
    return max([projected, *seen])


def strained(evidence: Evidence) -> list[Part]:
    """The hard parts that are full, or would soon be: lowest bound first."""
    found = [
        part for part in evidence.parts if part.is_hard and load_of(evidence, part) >= at.STRAINED
    ]
    return sorted(found, key=lambda part: part.bound.value)


def processors_are_idle(evidence: Evidence, limit: float = at.STRAINED) -> bool:
    """Whether no processor, quota or process is full. Of disks a container shows the host's."""
    return all(load_of(evidence, part) < limit for part in evidence.parts if part.kind in COMPUTING)


def is_busy(evidence: Evidence, services: Iterable[str], limit: float = at.STRAINED) -> bool:
    """Whether a processor, quota or process that these services use most is full."""
    names = set(services)
    return any(
        part.kind in COMPUTING
        and names & {part.service, part.busiest}
        and load_of(evidence, part) >= limit
        for part in evidence.parts
    )


def held(evidence: Evidence) -> float:
    """Seconds that a request holds one of Django's threads."""
    split = evidence.split
    return max(split.total - split.queue - split.nginx, 0.0)


def held_share(evidence: Evidence, *names: str) -> float:
    """The share of that time which some causes have: what is in front waits for the same."""
    total = held(evidence)
    return sum(getattr(evidence.split, name) for name in names) / total if total else 0.0


def is_caused(evidence: Evidence, share: float, least: float = at.CAUSE_SHARE) -> bool:
    """Whether a share of the time in Django is enough to be named as what visitors notice.

    Where they notice nothing, it has to cost each of them CAUSE_SECONDS as well.
    """
    seconds = share * held(saturated(evidence))
    return share >= least and (suffering(evidence) or seconds >= at.CAUSE_SECONDS)


def django_machines(evidence: Evidence) -> list[str]:
    """The machines that run Django."""
    return list(evidence.site.services.get("django", ()))


def database_machine(evidence: Evidence) -> str:
    """The machine of the primary."""
    machines = evidence.site.services.get(PRIMARY, ())
    return evidence.database.machine or (machines[0] if machines else "")


def processor(evidence: Evidence, machine: str) -> Part | None:
    """The processor of a machine."""
    return evidence.part(Kind.PROCESSOR, machine)


def queries_a_request(evidence: Evidence) -> float:
    """Mean number of queries of one request to Django."""
    requests = sum(view.requests for view in evidence.views)
    return (
        sum(view.queries * view.requests for view in evidence.views) / requests if requests else 0
    )


def outside_postgresql(evidence: Evidence) -> float:
    """Seconds that a request spends in the driver while PostgreSQL does nothing for it.

    Time in the driver, less what sessions were active (waiting for locks and disks included), and
    less what pgbouncer let its clients wait. Replicas' sessions are not counted, so it says nothing
    where they answer.
    """
    if evidence.database.replicas or not evidence.rate_django:
        return 0.0
    # A session that sends to a slow network counts as active.
    active = evidence.database.active * (1 - evidence.database.waiting("Client:"))
    inside = (active + evidence.pool.get("waited", 0.0)) / evidence.rate_django
    return max(evidence.split.database - inside, 0.0)
