"""How the commands that measure are run, and an advice that is always the same."""

from __future__ import annotations

from click.testing import CliRunner, Result

from espalier.cli.main import main
from espalier.insight.advice import Advice, Change, Edit, Place, Remedy, Verdict
from espalier.insight.evidence import Interval

ADVICE = Advice(
    verdict=Verdict.BOTTLENECK,
    place=Place.WORKERS,
    where="vps1",
    sentence="One worker process is full.",
    certainty=0.92,
    limit=Interval(9, 10, 11),
    evidence=[],
    change=Change(
        remedy=Remedy.WORKERS,
        place=Place.WORKERS,
        sentence="Let there be 3.",
        edits=[Edit("hosts.yml", ["workers: 1"], ["workers: 3"])],
        gain=Interval(1.5, 2.0, 2.5),
        after=Interval(15, 20, 25),
    ),
)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])
