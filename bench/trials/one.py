"""Run one trial: limit, load, advice; or the whole loop, to the proof."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.run import ROOT
from bench.trials.asking import answer, sent
from bench.trials.catalogue import Trial, requests
from bench.trials.edits import EditError, apply_edits
from bench.trials.machines import Machines, log_of
from bench.trials.results import FOLDER, Result, name, write
from tests.steps import Wrong

STEPS = ("--steps", "--seconds-per-step", "12s")
SECONDS = "60s"  # of one rate


def run_trial(
    machines: Machines,
    trial: Trial,
    project: str,
    severity: int,
    *,
    whole_loop: bool = False,
    folder: Path = FOLDER,
) -> Result:
    """Run a trial, and write its files; a result that is void says why."""
    began_log = len(log_of(machines))
    found: dict[str, Any] = {}
    void = ""
    try:
        machines.converge(trial.shape(project, severity))
        with trial.limit(machines, severity):
            _measure(machines, trial, project, severity, found, folder)
            if whole_loop and found["advice"].get("change"):
                _prove(machines, found)
    except EditError as error:
        void = str(error)
    except (Wrong, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        void = str(error)[-2000:]
        machines.shape = None  # nobody knows what was left behind
    # An edit that cannot be typed, or a proof that fails, takes nothing from the advice.
    proof = found.get("proof") or ({"error": void} if void and found.get("advice") else {})
    result = Result(
        project,
        trial.number,
        severity,
        trial.title,
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "" if found.get("advice") else void,
        found.get("advice", {}),
        proof,
        round(found.get("seconds", 0.0), 1),
    )
    write(result, folder)
    # Without the directory in which it was run.
    log = log_of(machines)[began_log:].replace(f"{ROOT}/", "")
    (folder / f"{result.name}.txt").write_text(log)
    return result


def _measure(
    machines: Machines,
    trial: Trial,
    project: str,
    severity: int,
    found: dict[str, Any],
    folder: Path,
) -> None:
    began = time.monotonic()
    profile = machines.home / "profile.yml"
    asked = {"name": f"trial {trial.number}", "requests": requests(trial, project, severity)}
    profile.write_text(json.dumps(asked))
    how: Sequence[str] = STEPS
    if trial.rates:
        how = ("--rate", str(trial.rates[severity - 1]), "--for", SECONDS)
    load = sent(machines.lab, profile, how)
    recording = machines.files() / f"{load['recording']}.json.gz"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(recording, folder / f"{name(project, trial.number, severity)}.json.gz")
    found["advice"] = answer(machines.espalier("advise", "--json"))
    found["seconds"] = time.monotonic() - began
    machines.espalier("advise")  # what a person sees, for the log


def _prove(machines: Machines, found: dict[str, Any]) -> None:
    """Type what was advised, converge, and measure again; nothing where it cannot be typed."""
    change = found["advice"]["change"]
    if not change["edits"] and not change["statement"]:
        return
    machines.forget_shape()
    if change["statement"]:
        machines.espalier("psql", "-c", change["statement"])
    if change["edits"]:
        apply_edits(change["edits"], machines.lab.site_directory)
        machines.lab.site()
    found["proof"] = answer(machines.espalier("prove", "--json"))
