"""What lynis says of a machine: its hardening index, and what it warns of or suggests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.audit.rows import Row

CHECK = "lynis"


def rows(machine: str, least: int, answer: Mapping[str, Any]) -> list[Row]:
    """A row for the index, and one for each warning; where the index is low, for each suggestion.

    Args:
        machine: where it ran.
        least: the index that is wanted.
        answer: of `espalier_machine.audit.lynis`.
    """
    expected, index = f"at least {least}", answer["index"]
    wanted = [("warning", answer["warnings"])]
    if index < least:
        wanted.append(("suggestion", answer["suggestions"]))
    faults = ("index",) if index < least else ()
    found = [Row(CHECK, machine, "hardening index", str(index), expected, faults)]
    for kind, tests in wanted:
        for test, texts in tests.items():
            words = texts[0] if len(texts) == 1 else f"{texts[0]} (and {len(texts) - 1} more)"
            found.append(Row(CHECK, machine, test, words, f"no {kind}", (test,)))
    return found
