"""A summary, the steps of a load, and a proof, as lines for a person."""

from __future__ import annotations

from collections.abc import Sequence

from espalier.insight.advice import Edit
from espalier.insight.evidence import Interval
from espalier.insight.proof import Proof
from espalier.insight.recording import Load, Step
from espalier.insight.report.words import availability
from espalier.insight.report.words import duration as took
from espalier.insight.summary import Summary
from espalier_machine.common.text import format_table

PARTS = 5


def duration(seconds: float) -> str:
    """`45 s`, `10 min`, `1 h 30 min`."""
    whole = round(seconds)
    if whole < 120 and whole % 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h" + (f" {rest} min" if rest else "")


def summary_lines(summary: Summary) -> list[str]:
    """The four words, and the views that take most."""
    if not summary.requests:
        lines = ["Nobody came: there is no response time, throughput or availability to tell."]
    else:
        lines = [
            f"RESPONSE TIME  median {took(summary.median)}, 95% within {took(summary.p95)} "
            f"(worst minute: {took(summary.worst_median)}, {took(summary.worst_p95)})",
            f"THROUGHPUT     {summary.per_minute:.0f} requests a minute "
            f"(busiest minute: {summary.most_per_minute:.0f})",
            f"AVAILABILITY   {availability(1 - summary.available)} of {summary.requests} requests",
        ]
    label = "UTILISATION"
    for one in summary.utilisation[:PARTS]:
        lines.append(f"{label:<14} {one.mean:.0%} {one.part} (busiest minute: {one.peak:.0%})")
        label = ""
    label = "VIEWS"
    for view in summary.views:
        lines.append(
            f"{label:<14} {view.share:.0%} of Django's time: {view.name}, "
            f"{view.requests} requests of {took(view.mean)}"
        )
        label = ""
    return lines


def step_line(step: Step) -> str:
    """One step of a load."""
    verdict = "passed" if step.passed else f"failed: {step.why}" if step.why else "failed"
    return (
        f"{step.offered:7.1f} requests/s: {step.achieved:.1f} answered, median {took(step.p50)}, "
        f"95% within {took(step.p95)}; {verdict}"
    )


def load_lines(load: Load) -> list[str]:
    """How a load ended, and its knee."""
    if not load.valid and load.knee is None:
        return [f"The load does not count. {load.invalid}"]
    if not load.valid:
        return [f"The site carries {load.knee:.1f} requests/s, or more. {load.invalid}"]
    lines = [load.ended] if load.ended else []
    if load.knee is None:
        lines.append("No step passed: begin lower, with --steps FROM-TO.")
    elif all(step.passed for step in load.steps):
        lines.append(f"The site carries {load.knee:.1f} requests/s, or more: every step passed.")
    else:
        lines.append(
            f"The site carries {load.knee:.1f} requests/s ({load.knee * 60:.0f} a minute); the "
            "next higher rate failed."
        )
    return lines


def interval(value: Interval) -> str:
    """`1.85 (1.70 to 2.00)`."""
    low, middle, high = (f"{one:.2f}" for one in (value.low, value.value, value.high))
    return middle if low == middle == high else f"{middle} ({low} to {high})"


def proof_lines(proof: Proof, record: str = "") -> list[str]:
    """A verdict, with what was predicted and what was measured."""
    rows = [["VERDICT", f"{proof.outcome}: {proof.sentence}"]]
    if proof.gain:
        least = "at least " if proof.at_least else ""
        if proof.measure == "throughput":
            values, better = f"{proof.before:.1f} → {proof.after:.1f} requests/s", "as many"
        else:
            values = f"{took(proof.before)} → {took(proof.after)} {proof.measure}"
            better = "as good"
        rows.append(["MEASURED", f"{values}: {least}{interval(proof.gain)} times {better}"])
    if proof.predicted:
        rows.append(["PREDICTED", f"{interval(proof.predicted)} times"])
    rows += [["CHANGED" if not at else "", one] for at, one in enumerate(proof.changed)]
    if record:
        rows.append(["RECORD", record])
    return format_table(rows).splitlines()


def edit_lines(edits: Sequence[Edit]) -> list[str]:
    """Edits as a diff: which file, the lines that go, and those that come."""
    lines = []
    for edit in edits:
        below = f" (below `{edit.below.strip()}`)" if edit.below and not edit.removed else ""
        lines.append(f"{edit.file}{below}:")
        lines += [f"  - {line}" for line in edit.removed]
        lines += [f"  + {line}" for line in edit.added]
    return lines
