"""What went live on this machine: one line for each time, and which of these can be gone back to.

    2026-11-28T17:47:18+00:00 r2 green root
    2026-11-28T17:52:03+00:00 r1 blue/r2 root

The second line is a rollback, which left r2. Lines of an older kit have no such mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Row = Mapping[str, str]


def format_line(since: str, id: str, slot: str, by: str, left: str = "") -> str:
    """The line for a release that goes live; `left` is what a rollback leaves for it."""
    return f"{since} {id} {slot}{left and '/'}{left} {by}\n"


def parse(text: str) -> list[dict[str, str]]:
    """Every time that a release went live, the first one first: since, id, slot, left, by."""
    rows = []
    for line in text.splitlines():
        words = [*line.split(maxsplit=3), ""]
        if len(words) > 3:
            since, id, where, by = words[:4]
            slot, _, left = where.partition("/")
            rows.append({"since": since, "id": id, "slot": slot, "left": left, "by": by})
    return rows


def find_good(rows: Sequence[Row], live: str) -> list[str]:
    """Ids that were live and that no rollback has left since, the last that was live first.

    A rollback leaves the live release, and with it all that followed the one that it goes to: it
    never leads forward again.

    Args:
        rows: what `parse` gave.
        live: the id that is live. A line after its last one was written by a command that was cut
            off before its switch.
    """
    switched = [number for number, row in enumerate(rows) if row["id"] == live]
    left: set[str] = set()
    ids: list[str] = []
    for row in rows[: switched[-1] + 1] if switched else rows:
        if row["left"]:
            since = max((at for at, id in enumerate(ids) if id == row["id"]), default=len(ids))
            left |= {row["left"]} | (set(ids[since:]) - set(ids[:since]))
        left.discard(row["id"])  # live again
        ids.append(row["id"])
    return [id for id in dict.fromkeys(reversed(ids)) if id not in left]
