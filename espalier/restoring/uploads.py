"""How the copies of uploads are, from what the program `uploads-backup` says of a machine."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from espalier.restoring.moment import shown, span

PROGRAM = "uploads-backup"
LATE = 600  # seconds that a change may wait for its copy before somebody is told
Finding = dict[str, str]


def judged(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer of `uploads-backup status` with `findings` and `colour`, as the database's.

    Its own `ok` says whether all is well; here it says whether the machine has answered.
    """
    if "timers" not in answer:
        return {**answer, "ok": False, "colour": "red", "findings": []}
    found = list(_findings(answer))
    colours = {one["colour"] for one in found}
    worst = "red" if "red" in colours else "amber" if colours else "green"
    return {**answer, "ok": True, "findings": found, "colour": worst}


def row(answer: Mapping[str, Any]) -> list[str]:
    """The newest copy, as a row of a table; [] for none."""
    snapshot = answer["snapshot"]
    if not snapshot:
        return []
    moment = datetime.datetime.fromisoformat(snapshot["time"]).timestamp()
    size = f"{snapshot['files']} files, {snapshot['bytes'] / 1e6:.0f} MB"
    return ["uploads", shown(moment), f"{span(answer['age'])} ago, {size}"]


def _findings(answer: Mapping[str, Any]) -> Iterator[Finding]:
    error, forgot = answer["error"], (answer["forgot"] or {}).get("error", "")
    is_copied = not error or (error == forgot and not answer["failing_since"])
    if not is_copied:
        yield _red(f"uploads are not copied: {error}")
    if forgot:
        yield _red(f"the last nightly removal and check of copies of uploads failed: {forgot}")
    for timer, runs in answer["timers"].items():
        if not runs:
            yield _red(f"{timer} does not run: nothing is done by itself")
    if not answer["uploads"] or answer["uploads"] == "s3" or not is_copied:
        return
    if not answer["snapshot"]:
        yield {"colour": "amber", "sentence": "the first copy of uploads is being made"}
    elif answer["unsaved"] > LATE:
        yield _red(f"uploads that have changed wait for their copy since {span(answer['unsaved'])}")


def _red(sentence: str) -> Finding:
    return {"colour": "red", "sentence": sentence}
