"""Short tables for a terminal and for a pipe: plain text, each column aligned."""

from __future__ import annotations

from collections.abc import Sequence

from espalier.insight.pareto import of_views
from espalier.insight.report import costs, sentences, words
from espalier.insight.report.chart_bounds import MOST
from espalier.insight.report.chart_pareto import fewest
from espalier.insight.report.chart_split import pieces
from espalier.insight.report.figures import counted_steps, four_words
from espalier.insight.report.given import Given
from espalier.insight.report.growth import growth
from espalier.insight.report.queries import queries
from espalier_machine.common.text import format_table

# A title, and rows that are aligned below it.
Table = tuple[str, Sequence[Sequence[str]]]


def tables(given: Given) -> list[Table]:
    """The tables of a report; those of which nothing is known are left out."""
    found: list[Table] = [
        ("The four words", _words(given)),
        ("How much each part can take, requests/s", _parts(given)),
        ("Where the time of a mean request to Django goes", _split(given)),
        ("Under a growing load", _load(given)),
        ("When traffic grows", [[one] for one in growth(given)]),
        (costs.TITLE, _costs(given)),
        ("Views that take 80% of the time", _views(given)),
        ("Queries that take 80% of the time", _queries(given)),
        ("What changes have brought", _past(given)),
    ]
    return [(title, rows) for title, rows in found if rows]


def heading(given: Given) -> str:
    """What was measured, when and for how long."""
    recording = given.recording
    title = f"{recording.site.project}, {recording.environment}"
    return f"{title}. {sentences.how(recording)}"


def lines(title: str, rows: Sequence[Sequence[str]]) -> str:
    """One table as text, its rows indented below its title."""
    body = format_table(rows).splitlines()
    return "\n".join([title, *(f"  {line}" for line in body)])


def _words(given: Given) -> list[list[str]]:
    found = four_words(given.recording, given.evidence, given.advice)
    return [[one.word, one.value, one.unit, one.note] for one in found]


def _parts(given: Given) -> list[list[str]]:
    rows = [
        [part.name, words.spread(part.bound), f"{words.share(part.utilisation)} used"]
        for part in given.evidence.parts[:MOST]
    ]
    return rows


def _split(given: Given) -> list[list[str]]:
    shown = pieces(given.evidence.split) if given.evidence.timing else []
    return [[one.name, words.duration(one.seconds), words.share(one.share)] for one in shown]


def _load(given: Given) -> list[list[str]]:
    load = given.evidence.load
    steps = counted_steps(load.steps) if load else []
    rows = [
        [
            words.number(step.offered),
            words.number(step.achieved),
            words.duration(step.p95),
            "passed" if step.passed else step.why or "did not pass",
        ]
        for step in sorted(steps, key=lambda step: step.offered)
    ]
    return [["offered/s", "answered/s", "p95", ""], *rows] if rows else []


def _costs(given: Given) -> list[Sequence[str]]:
    rows = costs.costs(given.evidence)
    return [costs.HEADINGS, *rows] if rows else []


def _views(given: Given) -> list[list[str]]:
    return [
        [one.name, words.share(one.share), f"together {words.share(one.cumulative)}"]
        for one in of_views(given.evidence.views)
    ]


def _queries(given: Given) -> list[list[str]]:
    found = queries(given.evidence.statements)
    few = fewest([one.share for one in found])
    return [[one.name, one.words] for one in found[:few]]


def _past(given: Given) -> list[list[str]]:
    return [
        [one.change, f"{one.shown(one.before)} to {one.shown(one.after)}", one.gain, one.outcome]
        for one in given.proofs
    ]
