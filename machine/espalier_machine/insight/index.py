"""Ask hypopg which index the planner would use for a statement; nothing is made of it.

hypopg's indexes are in the memory of one session: the planner believes in them, nothing else does.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from espalier_machine.insight.protocol import Session, SessionError
from espalier_machine.insight.statements import Totals, extension, is_read

MOST = 5  # statements that are looked at
SHARE = 0.2  # of the time of all statements that such a statement takes at least
_WORTH = 0.5  # of the cost: what an index must save at least
_CANDIDATES = 10  # for one statement
_PATIENCE = 20.0  # seconds for all of them
_COLUMN = r'(?:"(?:[^"]|"")+"|[a-z_]\w*)'
_SIMPLE = re.compile(
    rf"\(*(?:(?:{_COLUMN})\.)?(?P<column>{_COLUMN})\)*(?:::[\w ]+(?:\(\d+\))?)?"
    r"\s+(?P<operator>=|<=|>=|<|>|IS NULL)(?P<rest>.*)",
    re.DOTALL,
)


class Scan(NamedTuple):
    """A table that a plan reads from its beginning to its end, and what it looks for there."""

    schema: str
    table: str
    equal: tuple[str, ...]
    ranges: tuple[str, ...]
    order: tuple[str, ...]  # by which the first rows are wanted: "created DESC"


def conditions(text: str) -> list[str]:
    """The parts of a filter that AND joins, without the parentheses around them."""
    text = text.strip()
    while text.startswith("(") and _closing(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    parts, depth, begin, quote = [], 0, 0, False
    for at, character in enumerate(text):
        if character == "'":
            quote = not quote
        elif not quote:
            depth += (character == "(") - (character == ")")
            if depth == 0 and text.startswith(" AND ", at):
                parts.append(text[begin:at])
                begin = at + 5
    if not parts:
        return [text]
    return [one for part in [*parts, text[begin:]] for one in conditions(part)]


def _closing(text: str, begin: int) -> int:
    depth, quote = 0, False
    for at in range(begin, len(text)):
        if text[at] == "'":
            quote = not quote
        elif not quote:
            depth += (text[at] == "(") - (text[at] == ")")
            if depth == 0:
                return at
    return -1


def columns(filter_: str) -> tuple[list[str], list[str]]:
    """Columns of a filter that an index can find: by being equal, and by a range.

    A pattern (`~~`), a function, an OR and a comparison of two columns are none.
    """
    equal: list[str] = []
    ranges: list[str] = []
    for one in conditions(filter_):
        found = _SIMPLE.fullmatch(one)
        # What is compared with must be known before the table is read.
        if not found or " OR " in one or not re.match(r"\s*(\$|'|\(*\$|ANY|\d|$)", found["rest"]):
            continue
        name = _bare(found["column"])
        kind = equal if found["operator"] in ("=", "IS NULL") else ranges
        if name not in kind:
            kind.append(name)
    return equal, [name for name in ranges if name not in equal]


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def scans(
    plan: Mapping[str, Any], order: tuple[str, ...] = (), limited: bool = False
) -> list[Scan]:
    """The tables that a plan (EXPLAIN's JSON, VERBOSE) reads wholly to keep a part of them."""
    kind = plan.get("Node Type", "")
    if kind == "Limit":
        limited = True
    elif kind in ("Sort", "Incremental Sort") and limited:
        order = tuple(_sort_key(key) for key in plan.get("Sort Key", ()))
    elif kind not in ("Gather", "Gather Merge", "Seq Scan", "Result"):
        order, limited = (), False
    found = []
    if kind == "Seq Scan":
        equal, ranges = columns(plan.get("Filter", ""))
        usable = tuple(key for key in order if key)
        if equal or ranges or (usable and usable == order):
            found.append(
                Scan(
                    plan.get("Schema", "public"),
                    plan.get("Relation Name", ""),
                    tuple(equal),
                    tuple(ranges),
                    usable if usable == order else (),
                )
            )
    for below in plan.get("Plans", ()):
        found += scans(below, order, limited)
    return found


def _sort_key(key: str) -> str:
    """`t.created DESC` -> `"created" DESC`; "" where it is no column."""
    found = re.fullmatch(
        rf"(?:{_COLUMN}\.)?(?P<name>{_COLUMN})(?P<way>(?: DESC| NULLS FIRST| NULLS LAST)*)", key
    )
    return quoted(_bare(found["name"])) + found["way"] if found else ""


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def candidates(scan: Scan) -> Iterator[str]:
    """Indexes to try, as `ON "table" ("a", "b")`: equal columns, then one range or the order."""
    place = f"{quoted(scan.schema)}." if scan.schema != "public" else ""
    equal = [quoted(name) for name in scan.equal[:3]]
    ranges = [quoted(name) for name in scan.ranges]
    lists = [equal, [*equal, *scan.order]]
    lists += [[*equal, one] for one in ranges]
    lists += [[one] for one in [*equal, *ranges]]
    seen = set()
    for names in lists:
        if names and tuple(names) not in seen:
            seen.add(tuple(names))
            yield f"ON {place}{quoted(scan.table)} ({', '.join(names)})"


def parameters(text: str) -> int:
    """How many parameters a normalised statement has."""
    return max((int(number) for number in re.findall(r"\$(\d+)", text)), default=0)


class Planner:
    """Asks for plans in one session."""

    def __init__(self, session: Session, schema: str) -> None:
        """Plan without values, as a normalised statement has none; `schema` is hypopg's."""
        self._session, self._schema = session, schema
        session.ask("SET plan_cache_mode = force_generic_plan; SET statement_timeout = '1s'")

    def best(self, text: str) -> dict[str, Any] | None:
        """recording.Index: the index that makes a plan cheapest, if that is worth it."""
        session = self._session
        plan = self._plan(text)
        cost = float(plan["Total Cost"])
        tried = dict.fromkeys(made for scan in scans(plan) for made in candidates(scan))
        best: tuple[float, str] | None = None
        for made in list(tried)[:_CANDIDATES]:
            statement = f"CREATE INDEX {made}".replace("'", "''")
            try:
                session.ask(f"SELECT {self._schema}.hypopg_create_index('{statement}')")
                now = float(self._plan(text)["Total Cost"])
            except SessionError:
                now = cost
            session.ask(f"SELECT {self._schema}.hypopg_reset()")
            if best is None or now < best[0] * 0.99:  # a longer index must be worth its columns
                best = (now, made)
        if best is None or best[0] >= cost * _WORTH:
            return None
        statement = f"CREATE INDEX CONCURRENTLY {best[1]}"
        return {"statement": statement, "cost": cost, "cost_with": best[0]}

    def _plan(self, text: str) -> dict[str, Any]:
        # Prepared anew: a plan that was made before does not know of hypopg's indexes.
        self._session.ask("DEALLOCATE ALL")
        self._session.ask(f"PREPARE espalier AS {text}")
        values = ",".join(["NULL"] * parameters(text))
        call = f"espalier({values})" if values else "espalier"
        answer = self._session.ask(f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE {call}")
        return json.loads("\n".join(row[0] or "" for row in answer.rows))[0]["Plan"]


def find(
    session: Session, took: Mapping[str, Totals], texts: Mapping[str, str], errors: list[str]
) -> dict[str, dict[str, Any]]:
    """Statement's id -> the index that would help it, of those that take most of the time."""
    total = sum(one.seconds for one in took.values())
    chosen = [
        one
        for one, its in took.items()
        if total and its.seconds / total >= SHARE and is_read(texts.get(one, ""))
    ][:MOST]
    if not chosen:
        return {}
    there = extension(session, "hypopg")
    if there is None:
        errors.append("No index was looked for: the project's database has no extension hypopg.")
        return {}
    planner = Planner(session, there[0])
    found = {}
    end = time.monotonic() + _PATIENCE
    for one in chosen:
        if time.monotonic() > end:
            errors.append("Not for all statements an index was looked for: planning took too long.")
            break
        try:
            index = planner.best(texts[one])
        except SessionError as error:
            errors.append(f"No index was looked for, for statement {one}: {error}.")
            continue
        if index:
            found[one] = index
    return found
