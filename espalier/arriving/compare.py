"""Rows per table, before and after: what a person sees, and whether they are the same."""

from __future__ import annotations

from collections.abc import Mapping

from espalier_machine.common.text import format_table


def differing(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """The tables that do not have the same number of rows; a missing table has none."""
    tables = sorted({*before, *after})
    return [table for table in tables if before.get(table, 0) != after.get(table, 0)]


def table(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """The rows of each table before and after, as text in columns; `public.` is left out."""
    wrong = set(differing(before, after))
    rows = [["TABLE", "ROWS BEFORE", "AFTER", ""]]
    for name in sorted({*before, *after}):
        numbers = [str(side.get(name, 0)) for side in (before, after)]
        rows.append([name.removeprefix("public."), *numbers, "differs" if name in wrong else ""])
    total = [str(sum(side.values())) for side in (before, after)]
    return format_table([*rows, ["all", *total, ""]])
