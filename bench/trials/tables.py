"""The score as text: tables in Markdown, as docs/benchmarks.md has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.trials.expected import EXPECTED
from bench.trials.scoring import (
    Answer,
    Gain,
    Score,
    confusion,
    coverage,
    is_right_place,
    is_right_remedy,
    median_error,
)


def matrix_lines(matrix: Mapping[str, Counter[str]]) -> list[str]:
    """The confusion matrix: a row for each expected place, a column for each that was said."""
    columns = sorted({*matrix, *(said for row in matrix.values() for said in row)})
    lines = [f"| expected \\ said | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for place in sorted(matrix):
        cells = [str(matrix[place].get(said, "")) for said in columns]
        lines.append(f"| {place} | {' | '.join(cells)} |")
    return lines


def score_lines(scores: Mapping[str, Score]) -> list[str]:
    """Shares of right places and right remedies, a row for each who answered."""
    lines = ["| who | trials | place | first remedy |", "| --- | --- | --- | --- |"]
    for who, one in scores.items():
        lines.append(f"| {who} | {one.count} | {one.place:.0%} | {one.remedy:.0%} |")
    return lines


def gain_lines(gains: Sequence[Gain]) -> list[str]:
    """How good predictions were."""
    covered, error = coverage(gains), median_error(gains)
    if covered is None:
        return ["No change was proven: no prediction can be judged."]
    told = "unknown" if error is None else f"{error:.0%}"
    return [
        f"{len(gains)} predicted gains: {covered:.0%} of the intervals have the measured one in "
        f"them; median error {told}."
    ]


def wrong_lines(names: Sequence[str], answers: Sequence[Answer]) -> list[str]:
    """What was said wrongly, a line each."""
    lines = []
    for name, answer in zip(names, answers, strict=True):
        expected = EXPECTED[answer.trial]
        if not is_right_place(answer, expected) or not is_right_remedy(answer, expected):
            lines.append(
                f"{name}: said {answer.place}, {answer.remedy} ({answer.verdict}); expected "
                f"{expected.places[0].value}, {expected.remedies[0].value}"
            )
    return lines


def report(
    names: Sequence[str],
    answers: Sequence[Answer],
    baselines: Mapping[str, Score],
    scores: Mapping[str, Score],
    gains: Sequence[Gain],
) -> str:
    """All of it."""
    parts = [
        matrix_lines(confusion(answers)),
        score_lines({**scores, **baselines}),
        gain_lines(gains),
        wrong_lines(names, answers),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)
