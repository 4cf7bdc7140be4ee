"""The ledger of proofs: what was predicted, and what was measured after the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from espalier.insight.advice import Change, Edit
from espalier.insight.evidence import Interval
from espalier.insight.proof import Proof
from espalier.insight.recording import Recording

RECORD = 7  # proofs that `record_line` looks at


def take_back(change: Change) -> list[Edit]:
    """The edits that undo those of a change, last one first."""
    return [
        Edit(edit.file, removed=edit.added, added=edit.removed, below=edit.below)
        for edit in reversed(change.edits)
    ]


def ledger_entry(
    proof: Proof, before: Recording, after: Recording, change: Change | None
) -> dict[str, Any]:
    """A line of the ledger: plain data, intervals as [low, value, high]."""
    return {
        "made": after.made,
        "environment": after.environment,
        "before": before.id,
        "after": after.id,
        "remedy": change.remedy.value if change else "",
        "place": change.place.value if change else "",
        "outcome": proof.outcome.value,
        "measure": proof.measure,
        "values": [proof.before, proof.after],
        "predicted": _plain(proof.predicted),
        "measured": _plain(proof.gain),
        "at_least": proof.at_least,
    }


def _plain(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.value, interval.high] if interval else None


def record_line(ledger: Sequence[Mapping[str, Any]]) -> str:
    """How good predictions have been: "last 7 predictions: median error 9%"; "" without any.

    A gain of which only a lower bound was seen counts for nothing.
    """
    usable = [
        abs(entry["measured"][1] / entry["predicted"][1] - 1)
        for entry in ledger
        if entry.get("predicted") and entry.get("measured") and not entry.get("at_least")
    ]
    errors = usable[-RECORD:]
    if not errors:
        return ""
    count = (
        "last prediction: error"
        if len(errors) == 1
        else (f"last {len(errors)} predictions: median error")
    )
    return f"{count} {median(errors):.0%}"
