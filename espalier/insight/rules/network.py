"""The network between machines, and that of the visitors."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed
from espalier.insight.state import (
    database_machine,
    django_machines,
    held,
    held_share,
    is_caused,
    outside_postgresql,
    processors_are_idle,
    queries_a_request,
    saturated,
    suffering,
)
from espalier.insight.words import duration, figure, percent


def between_machines(evidence: Evidence) -> Iterator[Finding]:
    """Time between Django and its database which is not PostgreSQL's.

    A round trip alone says little: in a conversation of question and answer the acknowledgement
    comes with the answer, so that a slow query looks like a slow network. So PostgreSQL has to be
    without work for that time.
    """
    end = saturated(evidence)
    target = database_machine(evidence)
    sources = [name for name in django_machines(evidence) if name != target]
    time = held(end)
    if not target or not sources or not time:
        return
    trips = [
        end.machines[name].round_trips.get(target, 0.0) for name in sources if name in end.machines
    ]
    trip = max(trips, default=0.0)
    lost = max((_lost(end, name, target) for name in sources), default=0.0)
    gap = outside_postgresql(end)
    trips_a_request = queries_a_request(end) + at.HEALTH_CHECKS
    expected = trip * trips_a_request
    unknown = bool(end.database.replicas)
    delayed = (
        trip >= at.ROUND_TRIP
        and expected >= at.NETWORK_SHARE * time
        and (unknown or gap >= 0.5 * expected)
    )
    lossy = lost >= at.RETRANSMITTED and (
        (gap + end.split.connecting) >= at.NETWORK_SHARE * time
        or (unknown and held_share(end, "database") >= at.DATABASE_MATTERS)
    )
    share = min(max(gap, expected if unknown else 0.0) / time, 1.0)
    if not (delayed or lossy) or not is_caused(evidence, share, at.NETWORK_SHARE):
        return
    said = [
        f"a request spends {duration(end.split.database)} with the database, of which PostgreSQL "
        f"works {duration(max(end.split.database - gap, 0.0))}",
        f"a round trip to {target} takes {duration(trip)}, and a request makes "
        f"{figure(trips_a_request)} of them; {figure(lost * 100)}% of the segments were "
        "sent again",
    ]
    change = Change(
        Remedy.NETWORK,
        Place.NETWORK,
        f"Mend the network between {', '.join(sources)} and {target}: the same data centre and a "
        "private network; ask the provider about loss.",
    )
    yield Finding(
        Place.NETWORK,
        f"{', '.join(sources)} to {target}",
        Level.CAUSE,
        share,
        said,
        [freed(change, evidence, share)],
    )


def visitors(evidence: Evidence) -> Iterator[Finding]:
    """Answers that nginx has, and that visitors take slowly."""
    end = saturated(evidence)
    share = end.split.share("nginx")
    # Files that nginx sends by itself are in no view's time.
    views = max((view.p95 for view in end.views), default=0.0)
    queue = end.split.share("queue")
    elsewhere = suffering(evidence) and end.slow > at.SLOWER * views > 0 and queue < at.QUEUE_SHARE
    if not processors_are_idle(evidence, at.FULL):
        return
    slowly = share >= at.VISITORS_SHARE and (
        suffering(evidence) or end.split.nginx >= at.CAUSE_SECONDS
    )
    if not slowly and not (elsewhere and end.errors <= at.ERRORS):
        return
    yield Finding(
        Place.VISITORS,
        "between nginx and its visitors",
        Level.CAUSE,
        share if slowly else at.CAUSE_SHARE,
        [
            f"{percent(share)} of a response is nginx sending it ({duration(end.split.nginx)}), "
            f"{figure(end.bytes_sent)} MiB/s in all",
            f"Django is done after {duration(held(end))}; 95% of the visitors have their answer "
            f"after {duration(end.slow)}",
        ],
        [
            Change(
                Remedy.NETWORK,
                Place.VISITORS,
                "Change nothing in Django: visitors' lines are slow for what they get. Smaller "
                "files, a content delivery network or `media_s3`, or more bandwidth.",
            )
        ],
    )


def _lost(evidence: Evidence, name: str, target: str) -> float:
    """The share of segments that were sent again between two machines; of all where not told."""
    found = []
    for one, other in ((name, target), (target, name)):
        machine = evidence.machines.get(one)
        if machine is not None:
            found.append(machine.peers_retransmitted.get(other, machine.retransmitted))
    return max(found, default=0.0)
