"""Jobs that come faster than they are done."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence
from espalier.insight.finding import Finding, Level
from espalier.insight.state import is_busy
from espalier.insight.words import figure


def growing(evidence: Evidence) -> Iterator[Finding]:
    """A queue that is longer at the end of the recording than at its beginning."""
    for name, lengths in evidence.queues.items():
        third = len(lengths) // 3
        if not third:
            continue
        first, last = fmean(lengths[:third]), fmean(lengths[-third:])
        if last < at.QUEUE_LEAST or last < at.QUEUE_GROWS * max(first, 1.0):
            continue
        busy = is_busy(evidence, ("django",))
        yield Finding(
            Place.QUEUE,
            name,
            Level.NOTE if busy else Level.CAUSE,
            0.6,
            [f"{figure(first)} jobs waited in `{name}` at first, {figure(last)} at the end"],
            [
                Change(
                    Remedy.QUEUE_WORKERS,
                    Place.QUEUE,
                    f"Run more of the process that works on `{name}`: a larger `count:` below "
                    "`processes:` in project.yml.",
                    where="processes: of group_vars/all/project.yml",
                    then=["espalier release"],
                    cost=0.0,
                )
            ],
        )
