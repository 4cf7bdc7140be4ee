"""How a run ended: for a person, for a machine, and as an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from espalier.progress.run import Failure, Run, Stage
from espalier.progress.screen import BAD, DIM, GOOD, LINK, Line
from espalier.progress.stages import PREFLIGHT
from espalier_machine.common.text import counted

REFUSED = 2
INTERRUPTED = 130
UNTOLD = (
    "Nobody is told when something fails: hosts.yml has no `alerts`, such as "
    "`alerts: {email: anna@example.com}`."
)
UNCOPIED = (
    "Nothing is copied anywhere: hosts.yml has no `backup`, such as `backup: {to: s3, bucket: "
    "shop-backups, endpoint: s3.eu-central-1.amazonaws.com}`."
)
FAILED, CUT_OFF = "FAILED", "interrupted"
# What ansible-playbook itself ends with, where it was interrupted.
_ANSIBLE_INTERRUPTED = 99


def stage_line(stage: Stage) -> Line:
    """The line of a stage that has ended."""
    note = counted(stage.changes, "change") if stage.changes else ""
    if stage.failed or stage.cut_off:
        note = FAILED if stage.failed else CUT_OFF
    return step_line(stage.name, stage.machine, stage.seconds, note)


def step_line(name: str, machine: str, seconds: float, note: str = "") -> Line:
    """The line of a stage, or of a step, that a machine has ended."""
    text = f"  {name:<10} {machine:<12} {seconds:6.1f} s  {note}".rstrip()
    return text, BAD if note in (FAILED, CUT_OFF) else GOOD


def running_line(run: Run, now: float) -> str:
    """What runs now; "" before the first task."""
    return f"{run.stage}: {run.task}  {now - run.stage_began:.0f} s" if run.stage else ""


def exit_status(run: Run, returned: int, interrupted: bool = False) -> int:
    """The command's exit status, from what ansible-playbook returned.

    0 done, 1 failed, 2 refused before anything was touched, 3 locked, 130 interrupted.
    """
    if interrupted or returned == _ANSIBLE_INTERRUPTED:
        return INTERRUPTED
    if run.failures:
        return run.failures[0].status
    if returned == 0:
        return 0
    return 1 if run.has_touched else REFUSED


def summary(run: Run) -> list[Line]:
    """The lines at the end of a run that went well."""
    took = f"{run.at - run.began:.0f} s"
    made = f"{counted(run.changes, 'change')} in {took}" if run.changes else f"No change ({took})"
    lacks = [(UNTOLD, DIM)] * (not run.is_told) + [(UNCOPIED, DIM)] * (not run.is_copied)
    return [(f"{made}.{_live(run)}", ""), *([(run.url, LINK)] if run.url else []), *lacks]


def _live(run: Run) -> str:
    machines: dict[str, list[str]] = {}
    for machine, release in run.live.items():
        machines.setdefault(release, []).append(machine)
    parts = [f"{release} on {', '.join(names)}" for release, names in machines.items()]
    return f" Live: {'; '.join(parts)}." if parts else ""


def failure_lines(
    failures: Sequence[Failure], *, command: str, log: str = "", answers: str = ""
) -> list[Line]:
    """What a person is told of failures, each once.

    Args:
        failures: of the run.
        command: to type again.
        log: where the whole log is.
        answers: the site's URL, where it still serves visitors.
    """
    lines: list[Line] = []
    for one in failures:
        if not one.is_whole:  # else it is a refusal, or the words of the release
            where = f" on {', '.join(one.machines)}" if one.machines else ""
            lines.append((f"{one.stage} failed{where}, at `{one.task}`:", BAD))
        lines += [(line, "") for line in (one.sentence, *one.detail)]
    begun = [one for one in failures if one.stage not in ("", PREFLIGHT)]
    if not all(one.is_whole for one in begun):
        lines += [(f"{answers} still answers.", GOOD)] if answers else []
        lines.append((f"Mend it, and type `{command}` again: it goes on from here.", ""))
    if log and (begun or not all(one.is_whole for one in failures)):
        lines.append((f"The whole log: {log}", DIM))
    return lines


def interrupted_lines(run: Run, *, command: str, log: str, answers: str = "") -> list[Line]:
    """What a person is told who pressed Ctrl-C; the arguments are those of `failure_lines`."""
    if not run.has_touched:
        return [("Interrupted before anything was changed.", "")]
    lines = [(f"Interrupted at {run.stage}, in `{run.task}`; `{command}` goes on from here.", BAD)]
    if run.stage == "release":
        lines.append(("`espalier status` says what is live.", ""))
    lines += [(f"{answers} still answers.", GOOD)] if answers else []
    return [*lines, (f"The whole log: {log}", DIM)]


def as_data(run: Run, status: int, log: str) -> dict[str, Any]:
    """The run as plain data; durations in seconds."""
    stages = [asdict(stage) | {"seconds": round(stage.seconds, 2)} for stage in run.stages]
    changes = {name: 0 for name in run.machines}
    for stage in run.stages:
        changes[stage.machine] += stage.changes
    return {
        "ok": status == 0,
        "status": status,
        "machines": {name: {"changes": number} for name, number in changes.items()},
        "stages": stages,
        "changes": run.changes,
        "seconds": round(run.at - run.began, 2),
        "url": run.url,
        "release": run.live,
        "failures": [asdict(one) for one in run.failures],
        "log": log,
    }
