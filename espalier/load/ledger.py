"""The ledger of a load: which rows were sent, which were acknowledged, and which are stored.

No load tool compares what it was promised with what is there afterwards, so this is the kit's own.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Rows:
    """What became of the rows of a ledger; every field is a number of rows."""

    sent: int
    acknowledged: int
    stored: int
    lost: int  # acknowledged and not stored
    unacknowledged: int  # stored, though the visitor was never told
    doubled: int  # applied twice, though sent once


class Ledger:
    """A file with one JSON line before a row is sent, and one after it was acknowledged.

    It outlives the load, so that a load that was killed can still be compared with the site.
    """

    def __init__(self, path: Path) -> None:
        """Write to ``path``; what an earlier load left there is replaced."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def send(self, key: str) -> None:
        """Note that the row ``key`` is about to be sent."""
        self._write({"sent": key})

    def acknowledge(self, key: str, again: bool) -> None:
        """Note that the site has acknowledged ``key``; ``again``: it says it had it already."""
        self._write({"acknowledged": key, "again": again})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, entry: dict[str, object]) -> None:
        self._file.write(json.dumps(entry | {"at": round(time.time(), 3)}) + "\n")


def entries(path: Path) -> list[dict[str, Any]]:
    """Read a ledger's file, which may still be written to; gives its lines as they were noted."""
    lines = path.read_text(encoding="utf-8").splitlines()
    # A load that was killed may have left half a line.
    return [json.loads(line) for line in lines if line.endswith("}")]


def compare(noted: Sequence[Mapping[str, Any]], stored: Iterable[str]) -> Rows:
    """Compare a ledger with the site.

    Args:
        noted: the ledger's entries, or some consecutive ones, read before `stored` was.
        stored: the key that each row of the site carries, once per row; others' rows do no harm.

    Returns:
        The numbers. A row counts as doubled when it is stored twice, and when the site
        acknowledged it as one that it had already: every row is sent once.
    """
    sent = {entry["sent"] for entry in noted if "sent" in entry}
    known = {entry["acknowledged"] for entry in noted if "acknowledged" in entry}
    again = {entry["acknowledged"] for entry in noted if entry.get("again")}
    rows = Counter(key for key in stored if key in sent | known)
    return Rows(
        sent=len(sent),
        acknowledged=len(known),
        stored=len(rows),
        lost=len(known - rows.keys()),
        unacknowledged=len(rows.keys() - known),
        doubled=len(again | {key for key, count in rows.items() if count > 1}),
    )
