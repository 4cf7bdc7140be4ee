"""Findings: what was looked at, on which machine, and whether it is as it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "note", "failed"]
# A note is worth reading; only what is failed keeps the site from being made.
MARKS: dict[Level, str] = {"ok": "ok", "note": "note", "failed": "FAILED"}


@dataclass(frozen=True)
class Finding:
    """One line: `machine` is "" for what concerns the whole site."""

    check: str
    level: Level
    text: str
    machine: str = ""

    @property
    def is_failed(self) -> bool:
        """Whether the site cannot be made as it is."""
        return self.level == "failed"


def ok(check: str, text: str, machine: str = "") -> Finding:
    """A finding that is as it has to be."""
    return Finding(check, "ok", text, machine)


def note(check: str, text: str, machine: str = "") -> Finding:
    """A finding that is worth reading."""
    return Finding(check, "note", text, machine)


def failed(check: str, text: str, machine: str = "") -> Finding:
    """A finding that has to be mended first."""
    return Finding(check, "failed", text, machine)


def lines(findings: Sequence[Finding]) -> list[str]:
    """A line for each finding: where, what, and the finding itself."""
    rows = [(one.machine or "site", one.check, MARKS[one.level], one.text) for one in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join([*(f"{row[i]:{widths[i]}}" for i in range(3)), " ".join(row[3].split())])
        for row in rows
    ]


def as_json_object(findings: Sequence[Finding]) -> dict[str, Any]:
    """All of them for another program; `ok` says whether none is failed."""
    return {
        "ok": not any(one.is_failed for one in findings),
        "findings": [asdict(one) for one in findings],
    }
