"""Run trials, and score them: `python -m bench.trials run`, `python -m bench.trials score`."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from importlib import import_module
from typing import Any

import click

from bench.trials import results
from bench.trials.catalogue import SEVERITIES, TRIALS, Trial
from bench.trials.machines import Machines
from bench.trials.one import run_trial
from bench.trials.results import FOLDER, Result, all_results
from bench.trials.scoring import Answer, answer_of, gain_of, score
from bench.trials.tables import report
from espalier.insight.recording import read_recording

# Kept out of tuning: they are scored apart.
HELD_OUT = ("wagtail",)


@click.group(help=__doc__)
def main() -> None:
    """Trials of `espalier advise`."""


@main.command()
@click.option("--only", default="", metavar="01,02", help="These trials: all.")
@click.option("--severity", type=click.IntRange(1, 3), help="This one: all three.")
@click.option("--project", default="", metavar="NAME", help="This one: all that have the trial.")
@click.option("--whole-loop", is_flag=True, help="Make the change, and prove it.")
@click.option("--again", is_flag=True, help="Also those that have a result.")
@click.option("--keep", is_flag=True, help="Leave the machines at the end.")
@click.option("--list", "only_list", is_flag=True, help="Say which would be run.")
def run(
    only: str,
    severity: int | None,
    project: str,
    whole_loop: bool,
    again: bool,
    keep: bool,
    only_list: bool,
) -> None:
    """Run the trials that have no result yet; those that share a site one after the other."""
    chosen = planned(only, severity, project, again)
    if only_list:
        for trial, where, how in chosen:
            click.echo(f"{results.name(where, trial.number, how)}: {trial.title}")
        return
    machines = Machines()
    try:
        for trial, where, how in chosen:
            began = time.monotonic()
            done = run_trial(machines, trial, where, how, whole_loop=whole_loop)
            click.echo(f"{done.name}: {told(done)}, {time.monotonic() - began:.0f} s")
    finally:
        if not keep:
            machines.down()


def planned(
    only: str, severity: int | None, project: str, again: bool
) -> list[tuple[Trial, str, int]]:
    """The trials to run, with project and severity, in an order that converges seldom."""
    numbers = {number.strip().zfill(2) for number in only.split(",") if number.strip()}
    known = {trial.number for trial in TRIALS}
    if unknown := numbers - known:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are 01 to {max(known)}")
    projects = {name for trial in TRIALS for name in trial.profiles}
    if project and project not in projects:
        sys.exit(f"unknown: {project}; there are {', '.join(sorted(projects))}")
    found = [
        (trial, name, how)
        for trial in TRIALS
        if not numbers or trial.number in numbers
        for name in trial.profiles
        if not project or name == project
        for how in SEVERITIES
        if severity in (None, how)
        if again or not results.is_done(name, trial.number, how)
    ]
    return sorted(
        found,
        key=lambda one: (
            one[1],
            one[0].shape(*one[1:]).topology == "one",
            one[0].shape(*one[1:]).key,
            one[0].number,
        ),
    )


def told(result: Result) -> str:
    """A result in a line, without whether it is right."""
    if result.void:
        return f"VOID: {' '.join(result.void.split())[-300:]}"
    answer = answer_of(result.trial, result.advice)
    proof = result.proof.get("outcome", "")
    return f"{answer.verdict}: {answer.place}, {answer.remedy}{proof and f'; {proof}'}"


@main.command(name="score")
@click.option("--rejudge", is_flag=True, help="By today's rules, from the stored recordings.")
def score_command(rejudge: bool) -> None:
    """Score what was measured, and the two baselines."""
    counted = [result for result in all_results() if not result.void]
    if not counted:
        sys.exit(f"There is no result in {FOLDER}: `python -m bench.trials run`.")
    advices = [judged(one) if rejudge else one.advice for one in counted]
    answers = [answer_of(one.trial, advice) for one, advice in zip(counted, advices, strict=True)]
    held = [answer.trial for answer in answers]
    scores = {"espalier advise": score(answers)}
    for name in HELD_OUT:
        own = [a for one, a in zip(counted, answers, strict=True) if one.project == name]
        scores[f"of these, {name} (held out)"] = score(own)
    gains = [
        gain
        for one, advice in zip(counted, advices, strict=True)
        if (gain := gain_of(advice, one.proof)) is not None
    ]
    baselines = {name: score(said) for name, said in baseline_answers(counted, held).items()}
    click.echo(report([one.name for one in counted], answers, baselines, scores, gains))


def judged(result: Result) -> dict[str, Any]:
    """What today's rules say of a stored recording."""
    advice = import_module("espalier.insight.advise").advise(observed(result))
    found: dict[str, Any] = asdict(advice)
    return found


def observed(result: Result) -> Any:
    """What a stored recording shows."""
    recording = read_recording(FOLDER / f"{result.name}.json.gz")
    return import_module("espalier.insight.observe").observe(recording)


def baseline_answers(counted: list[Result], trials: list[str]) -> dict[str, list[Answer]]:
    """What each baseline says of the stored recordings."""
    known = import_module("espalier.insight.baselines").BASELINES
    shown = [observed(result) for result in counted]
    return {
        name: [
            Answer(trial, *(str(part) for part in decide(evidence)))
            for trial, evidence in zip(trials, shown, strict=True)
        ]
        for name, decide in known.items()
    }


if __name__ == "__main__":
    main()
