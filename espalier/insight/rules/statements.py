"""Statements that take most of the database's time, with or without an index that would help."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence
from espalier.insight.finding import Finding, Level
from espalier.insight.predict import freed, predicted, relieved
from espalier.insight.price import priced
from espalier.insight.recording import Statement
from espalier.insight.state import DATABASES, held_share, is_busy, saturated, suffering
from espalier.insight.words import duration, percent


def costly(evidence: Evidence) -> tuple[Statement, float] | None:
    """The statement that takes most time, and its share of all statements' time."""
    total = sum(one.seconds for one in evidence.statements)
    if not total:
        return None
    top = max(evidence.statements, key=lambda one: one.seconds)
    return top, top.seconds / total


def missing_index(evidence: Evidence) -> Iterator[Finding]:
    """A statement with most of the database's time, and an index that PostgreSQL would use."""
    total = sum(one.seconds for one in evidence.statements)
    for statement in evidence.statements:
        index = statement.index
        if not total or index is None or index.cost <= 0:
            continue
        share = statement.seconds / total
        saves = 1 - index.cost_with / index.cost
        if share < at.QUERY_SHARE or saves < at.INDEX_SAVES:
            continue
        base = held_share(saturated(evidence), "database")
        busy = is_busy(evidence, DATABASES)
        caused = base >= at.DATABASE_MATTERS and suffering(evidence)
        change = Change(
            Remedy.INDEX,
            Place.QUERY,
            "Make the index, then write it into the model's Meta.indexes so that migrations know "
            "it.",
            statement=index.statement,
            where=origin(statement),
        )
        gone = (share * saves * 0.5, share * saves * 0.85, share * saves)
        if busy:
            change = predicted(change, evidence, relieved(evidence, (0.0, 0.0, 0.0), gone))
        else:
            change = freed(change, evidence, gone[1] * base)
        yield Finding(
            Place.QUERY,
            shown(statement),
            Level.REASON if busy else Level.CAUSE if caused else Level.NOTE,
            share * saves if busy else share * saves * base,
            [
                f"one statement takes {percent(share)} of the database's time, "
                f"{duration(statement.seconds / max(statement.calls, 1))} a call",
                f"with an index PostgreSQL expects it to cost {percent(saves)} less",
            ],
            [priced(change, 0.0)],
            explains=DATABASES,
        )


def heavy(evidence: Evidence) -> Iterator[Finding]:
    """A statement with most of the time that no index would help, where the database matters."""
    found = costly(evidence)
    if found is None or found[1] < at.QUERY_SHARE or found[0].index is not None:
        return
    base = held_share(saturated(evidence), "database")
    if base < at.DATABASE_MATTERS and not is_busy(evidence, DATABASES):
        return
    statement, share = found
    yield Finding(
        Place.QUERY,
        shown(statement),
        Level.NOTE,
        share,
        [f"one statement takes {percent(share)} of the database's time"],
        [
            Change(
                Remedy.CODE,
                Place.QUERY,
                f"One statement takes {percent(share)} of the database's time, and no index that "
                "was tried helps it: ask for less, or less often.",
                statement=statement.text,
                where=origin(statement),
                share=share,
                cost=0.0,
            )
        ],
    )


def origin(statement: Statement) -> str:
    """The view, file and line in which most of its requests were."""
    return max(statement.origins, key=lambda one: statement.origins[one], default="")


def shown(statement: Statement) -> str:
    """A statement on one line."""
    text = " ".join(statement.text.split())
    return text if len(text) <= 80 else text[:77] + "..."
