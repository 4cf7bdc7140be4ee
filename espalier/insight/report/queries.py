"""The queries of a report: a short name, where each comes from, and what an index would save."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from espalier.insight.recording import Statement
from espalier.insight.report.words import duration, share

MOST = 8  # that are told in full
# What a statement is known by: its verb, and the first table that it names.
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE|JOIN)\s+(?:ONLY\s+)?"?(?:\w+"?\."?)?(\w+)', re.I)


@dataclass(frozen=True)
class Query:
    """A statement as it is shown; `share` is that of the time of all statements."""

    name: str
    words: str
    text: str
    share: float
    origins: Sequence[str]
    index: str
    cheaper: str


def queries(statements: Sequence[Statement]) -> list[Query]:
    """Statements as they are shown, those that take most time first."""
    total = sum(one.seconds for one in statements)
    kept = sorted((one for one in statements if one.seconds > 0), key=lambda one: -one.seconds)
    found = []
    names: dict[str, int] = {}
    for one in kept:
        name = short(one.text)
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name = f"{name} ({names[name]})"
        found.append(_query(one, name, total))
    return found


def _query(one: Statement, name: str, total: float) -> Query:
    part = one.seconds / total
    index = one.index
    mean = duration(one.seconds / one.calls) if one.calls else "?"
    return Query(
        name=name,
        words=f"{share(part)}: {one.calls:,} calls, {mean} each",
        text=one.text,
        share=part,
        origins=sorted(one.origins, key=lambda origin: -one.origins[origin]),
        index=index.statement if index else "",
        cheaper=share(index.cost_with / index.cost) if index and index.cost else "",
    )


def short(text: str) -> str:
    """A name for a statement: `SELECT garden_tree`, or how it begins where no table is found."""
    verb = text.split(maxsplit=1)[0].upper() if text.strip() else "?"
    found = _TABLE.search(text)
    return f"{verb} {found[1]}" if found else " ".join(text.split())[:40] or "?"
