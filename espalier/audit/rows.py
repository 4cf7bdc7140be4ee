"""Rows of the audit: what a check found on a machine, what was expected, and what is waived."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import Any

from espalier.audit.expectations import KitWaiver
from espalier_machine.common.text import format_table

WIDTH = 60
HEADER = ["CHECK", "MACHINE", "FOUND", "EXPECTED", "RESULT"]
# The fault of a check that could not be made, for which there is no waiver: it is never green.
NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Row:
    """What one check found of one thing.

    Attributes:
        check: its name, as waivers name it.
        machine: where.
        what: of what: a unit, an address, a test of lynis; "" for the machine as a whole.
        found: in words.
        expected: in words.
        faults: the names of what is wrong, as waivers name them; none: it is as expected.
        waived: why each of the faults is well as it is; "" unless that is known of all.
    """

    check: str
    machine: str
    what: str
    found: str
    expected: str
    faults: tuple[str, ...] = ()
    waived: str = ""

    @property
    def is_failed(self) -> bool:
        """Whether something is wrong that nobody has waived."""
        return bool(self.faults) and not self.waived

    @property
    def result(self) -> str:
        """The last column."""
        if self.waived:
            return f"waived: {self.waived}"
        return f"FAILED: {', '.join(self.faults)}" if self.faults else "ok"


def not_checked(check: str, machine: str, why: str, expected: str) -> Row:
    """The row of a check that could not be made."""
    return Row(check, machine, "", why, expected, (NOT_CHECKED,))


def waive(row: Row, waivers: Iterable[KitWaiver], conditions: Iterable[str]) -> Row:
    """Say why a row's faults are well as they are, where waivers say so of each of them.

    Args:
        row: what was found.
        waivers: for the machine; the first that fits a fault gives the reason.
        conditions: what is so on the machine, for waivers with `when`.
    """
    if NOT_CHECKED in row.faults:
        return row
    known = set(conditions)
    fitting = [w for w in waivers if w.check == row.check and (not w.when or w.when in known)]
    reasons: list[str] = []
    for fault in row.faults:
        why = [one.why for one in fitting if any(fnmatch(fault, what) for what in one.what)]
        if not why:
            return row
        reasons.append(why[0])
    return replace(row, waived=" ".join(dict.fromkeys(reasons)))


def merged(rows: Iterable[Row]) -> list[Row]:
    """The same rows, in fewer lines.

    What is waived on a machine for one reason is one row; so is what is waived alike on several.
    """
    found: dict[tuple[str, ...], Row] = {}
    for number, row in enumerate(rows):
        key: tuple[str, ...] = (str(number),)
        if row.waived:
            key = (row.check, row.machine, row.waived)
        before = found.get(key)
        found[key] = replace(before, what=f"{before.what}, {row.what}") if before else row
    everywhere: dict[tuple[str, ...], Row] = {}
    for key, row in found.items():
        key = (row.check, row.what, row.waived, row.found) if row.waived else key
        before = everywhere.get(key)
        everywhere[key] = (
            replace(before, machine=f"{before.machine}, {row.machine}") if before else row
        )
    return list(everywhere.values())


def table(rows: Sequence[Row]) -> str:
    """All rows, for a person."""
    lines = [
        [f"{one.check} {one.what}".strip(), one.machine, _short(one), one.expected, one.result]
        for one in merged(rows)
    ]
    return format_table([HEADER, *lines])


def as_json_object(rows: Sequence[Row]) -> dict[str, Any]:
    """All rows, for another program; `ok` says whether none has failed."""
    found = [
        {
            **{name: getattr(one, name) for name in ("check", "machine", "what", "found")},
            "expected": one.expected,
            "result": "failed" if one.is_failed else "waived" if one.waived else "ok",
            "faults": list(one.faults),
            "why": one.waived,
        }
        for one in rows
    ]
    return {"ok": not any(one.is_failed for one in rows), "rows": found}


def _short(row: Row) -> str:
    """What was found, in words that leave room; all of it is in the JSON."""
    return textwrap.shorten(row.found, WIDTH, placeholder=" …")
