"""What is known about the backups of uploads, without asking the destination."""

from __future__ import annotations

import time
from typing import Any

from espalier_machine.common import system
from espalier_machine.common.text import counted
from espalier_machine.uploads_backup import changes, forget, sample, save, state
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError

SAVES, PRUNES, SAMPLES = (
    f"espalier-uploads-{name}.timer" for name in ("backup", "forget", "sample")
)


def status(config: Config) -> dict[str, Any]:
    """As plain data.

    Its `ok` is whether the last try went well, and the timers run. `unsaved` is for how many
    seconds something has been changed that no snapshot has: 0 where all is saved, None where
    nothing ever was. `samples` is whether some uploads are compared with the disk each night, and
    `sample` what came of it last, with its `age` in seconds; None for none yet.
    """
    known, now = state.load(config.repository), time.time()
    timers = {
        timer: system.is_active(timer)
        for timer, wanted in (
            *((SAVES, config.media or config.s3), (PRUNES, config.prunes)),
            (SAMPLES, config.samples),
        )
        if wanted
    }
    answer: dict[str, Any] = {
        "site": config.site,
        "repository": config.repository,
        "uploads": "s3" if config.s3 else config.media,
        "snapshot": save.shown(known.snapshot) if known.snapshot else None,
        "age": int(now - known.snapshot["time"]) if known.snapshot else None,
        "changed": False,
        "unsaved": 0,
        "timers": timers,
        "error": known.error or known.forgot.get("error", ""),
        "warning": known.warning,
        "failing_since": state.words(known.failed),
        "forgot": forget.shown(known.forgot) if known.forgot else None,
        "samples": config.samples,
        "sample": None,
    }
    last = known.sampled if config.samples else {}
    if last:
        answer["sample"] = {**sample.shown(last), "age": int(now - last["time"])}
    if config.media:
        try:
            answer["changed"] = not known.snapshot or changes.is_changed(config.directory)
            answer["unsaved"] = changes.unsaved(config.directory, now) if known.snapshot else None
        except BackupError as error:
            answer["error"] = answer["error"] or str(error)
    failed = answer["error"] or last.get("error")
    return {"ok": not failed and all(timers.values()), **answer}


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for a person on the machine."""
    found = [f"repository  {answer['repository']}"] if answer["repository"] else []
    found += ["uploads     in an object store"] if answer["uploads"] == "s3" else []
    if one := answer["snapshot"]:
        found.append(f"newest      {one['time']}: {_amount(one)}")
    if answer["unsaved"]:
        found.append(f"unsaved     for {answer['unsaved']} s")
    if answer["forgot"]:
        found.append(
            f"kept        {counted(answer['forgot']['snapshots'], 'snapshot')}, "
            f"{counted(answer['forgot']['bytes'], 'byte')}, as of {answer['forgot']['time']}"
        )
    if one := answer["sample"]:
        compared = f"{one['compared']} compared with the disk"
        found.append(f"sample      {one['time']}: {_amount(one)}, {compared}")
        found += [f"problem     {one['error']}"] if one["error"] else []
    found += [f"stopped     {name}" for name, runs in answer["timers"].items() if not runs]
    found += [f"warning     {answer['warning']}"] if answer.get("warning") else []
    found += [f"problem     {answer['error']}"] if answer["error"] else []
    return found or ["Nothing is saved yet."]


def _amount(of: dict[str, Any]) -> str:
    return f"{counted(of['files'], 'file')}, {counted(of['bytes'], 'byte')}"
