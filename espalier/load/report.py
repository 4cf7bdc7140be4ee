"""What a load has seen, in numbers: requests by kind and machine, durations, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espalier.insight.figures import percentile

REASONS = 10  # failures that a report quotes


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was sent and how long it took (seconds), and what came of it."""

    kind: str  # read, write, own: the page that must show what its reader wrote
    began: float
    took: float
    failure: str = ""
    repeated: bool = False
    stale: bool = False
    machine: str = ""


def summary(answers: Sequence[Answer], began: float, seconds: float) -> dict[str, Any]:
    """Put requests into numbers, as plain data; every duration in seconds.

    Args:
        answers: the requests.
        began: when the load began, on the clock of the answers.
        seconds: how long the load (or the part that is reported) took.
    """
    failed = [answer for answer in answers if answer.failure]
    kinds = {
        kind: _figures([answer for answer in answers if answer.kind == kind])
        for kind in sorted({answer.kind for answer in answers})
    }
    return {
        "seconds": round(seconds, 1),
        **_figures(answers),
        "repeated": sum(answer.repeated for answer in answers),
        "stale": sum(answer.stale for answer in answers),
        "kinds": kinds,
        "machines": dict(sorted(Counter(a.machine for a in answers if a.machine).items())),
        "failures": [
            {"after": round(answer.began - began, 1), "kind": answer.kind, "what": answer.failure}
            for answer in failed[:REASONS]
        ],
    }


def _figures(answers: Sequence[Answer]) -> dict[str, Any]:
    took = [answer.took for answer in answers]
    return {
        "sent": len(answers),
        "failed": sum(bool(answer.failure) for answer in answers),
        "slowest": round(max(took), 3) if took else 0,
        "p50": round(percentile(took, 0.5), 3),
        "p99": round(percentile(took, 0.99), 3),
    }


def sentence(report: Mapping[str, Any]) -> str:
    """Say a report in one line."""
    line = (
        f"sent {report['sent']}, failed {report['failed']}, repeated {report['repeated']}, slowest "
        f"{report['slowest']:.2f} s (median {report['p50']:.3f}, p99 {report['p99']:.3f})"
    )
    if rows := report.get("rows"):
        line += (
            f"; rows: {rows['acknowledged']} acknowledged, {rows['stored']} stored, "
            f"{rows['lost']} lost, {rows['doubled']} doubled; stale reads {report['stale']}"
        )
    if report["machines"]:
        line += f"; answered by {', '.join(f'{m} ({n})' for m, n in report['machines'].items())}"
    return line


def is_clean(report: Mapping[str, Any]) -> bool:
    """Say whether requests were sent and nothing was failed, lost, doubled or stale."""
    rows = report.get("rows") or {"lost": 0, "doubled": 0}
    wrong = report["failed"] + report["stale"] + rows["lost"] + rows["doubled"]
    return bool(report["sent"]) and not wrong
