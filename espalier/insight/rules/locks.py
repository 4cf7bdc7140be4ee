"""Sessions that wait for a row or a table that another one has locked."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed
from espalier.insight.price import priced
from espalier.insight.rules.disk import is_slow_to_sync
from espalier.insight.state import database_machine, held_share, is_caused, saturated
from espalier.insight.words import figure, percent


def locks(evidence: Evidence) -> Iterator[Finding]:
    """Lock waits; a slow disk, which makes every transaction hold its locks longer, goes before."""
    end = saturated(evidence)
    base = end.database
    waiting = base.waiting("Lock:")
    sessions = sum(count for name, count in base.waits.items() if name.startswith("Lock:"))
    share = waiting * held_share(end, "database")
    if waiting < at.LOCK_WAITS or sessions < at.LOCK_SESSIONS or is_slow_to_sync(evidence):
        return
    caused = is_caused(evidence, share, at.LOCK_WAITS) or (not end.timing and waiting >= 0.25)
    blocking = max(base.blocking, key=lambda one: base.blocking[one], default="")
    kinds = sorted(
        (name for name in base.waits if name.startswith("Lock:")), key=lambda one: -base.waits[one]
    )
    said = [
        f"{figure(sessions)} sessions wait for locks ({', '.join(kinds[:2])}): "
        f"{percent(waiting)} of those that are active"
    ]
    if blocking:
        said.append(f"the lock is held by: {blocking}")
    change = Change(
        Remedy.CODE,
        Place.LOCKS,
        "Hold the lock for a shorter time: change the row that all wait for last in its "
        "transaction, and nothing slow behind it; or write rows that are added up later.",
        statement=blocking,
        where=_origin(evidence, blocking),
    )
    yield Finding(
        Place.LOCKS,
        f"PostgreSQL on {database_machine(evidence)}",
        Level.CAUSE if caused else Level.NOTE,
        max(share, waiting if not end.timing else 0.0),
        said,
        [priced(freed(change, evidence, share), 0.0)],
    )


def _origin(evidence: Evidence, text: str) -> str:
    for statement in evidence.statements:
        if text and statement.text == text and statement.origins:
            return max(statement.origins, key=lambda one: statement.origins[one])
    return ""
