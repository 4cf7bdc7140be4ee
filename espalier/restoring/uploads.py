"""How the copies of uploads are, from what the program `uploads-backup` says of a machine."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from espalier.inventory.site import Site
from espalier.restoring.moment import shown, span
from espalier_machine.common.text import counted, shown_size

PROGRAM = "uploads-backup"
LATE = 600  # seconds that a change may wait for its copy before somebody is told
NIGHT = 26 * 3600  # seconds that the last sample may be old, as a drill of the database
Finding = dict[str, str]


def machine(site: Site) -> str:
    """The machine that has the uploads of a site with backups, and reads those of them."""
    return site.machines("restic")[0]


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


def rows(answer: Mapping[str, Any]) -> Iterator[list[str]]:
    """The newest copy, and the last sample of it that went well, as rows of a table."""
    if snapshot := answer["snapshot"]:
        size = f"{counted(snapshot['files'], 'file')}, {shown_size(snapshot['bytes'])}"
        yield ["uploads", _moment(snapshot), f"{span(answer['age'])} ago, {size}"]
    sample = answer.get("sample")  # a version before has none
    if sample and not sample["error"]:
        size = f"{counted(sample['files'], 'file')} came back, {shown_size(sample['bytes'])}"
        yield ["sample", _moment(sample), f"{size}, {sample['compared']} compared with the disk"]


def _moment(of: Mapping[str, Any]) -> str:
    return shown(datetime.datetime.fromisoformat(of["time"]).timestamp())


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
    if warning := answer.get("warning"):
        yield {"colour": "amber", "sentence": warning}
    if not answer["uploads"] or answer["uploads"] == "s3" or not is_copied:
        return
    if not answer["snapshot"]:
        yield _amber("the first copy of uploads is being made")
    elif answer["unsaved"] > LATE:
        yield _red(f"uploads that have changed wait for their copy since {span(answer['unsaved'])}")
    if answer["snapshot"] and "samples" in answer:  # a version before has none
        yield from _sample(answer["sample"], answer["samples"])


def _sample(sample: Mapping[str, Any] | None, is_wanted: bool) -> Iterator[Finding]:
    """What is wrong with the proof that uploads come back."""
    if not is_wanted:
        yield _amber("no upload is proven to come back: hosts.yml has `drill: false`")
    elif not sample:
        yield _amber("no upload is proven to come back yet: the first sample is tonight")
    elif sample["error"]:
        yield _red(f"the sample of uploads failed: {sample['error']}")
    elif sample["age"] > NIGHT:
        yield _red(f"the last sample of uploads was {span(sample['age'])} ago")


def _amber(sentence: str) -> Finding:
    return {"colour": "amber", "sentence": sentence}


def _red(sentence: str) -> Finding:
    return {"colour": "red", "sentence": sentence}
