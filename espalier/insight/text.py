"""An advice as plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from espalier.insight.advice import LIMITS, Advice, Change, Edit, Place, Verdict
from espalier.insight.evidence import Evidence
from espalier.insight.price import today
from espalier.insight.state import silent
from espalier.insight.words import between, figure, listed, percent, rates

WIDTH = 100
LABEL = 12
OTHERS = 4  # further changes that are shown

_ON_MACHINES = (Place.APP_PROCESSOR, Place.WORKERS, Place.THREADS, Place.DISK, Place.MEMORY)
_TITLES = {
    Verdict.BOTTLENECK: "BOTTLENECK",
    Verdict.TWO: "BOTTLENECK",
    Verdict.OUTSIDE: "OUTSIDE",
    Verdict.NOTHING: "NOTHING",
    Verdict.SMALLER: "SMALLER",
    Verdict.UNKNOWN: "UNKNOWN",
    Verdict.UNEXPLAINED: "UNEXPLAINED",
}


def advice_text(advice: Advice, evidence: Evidence, record: str = "") -> str:
    """An advice in lines of at most 100 columns, but for lines to be copied, which stay whole.

    Args:
        record: what is known of earlier predictions, a sentence; nothing is shown without one.
    """
    lines = list(_block(_TITLES[advice.verdict], _heading(advice)))
    if advice.verdict is not Verdict.BOTTLENECK:
        lines += _block("", advice.sentence)
    for sentence in advice.evidence:
        lines += _block("EVIDENCE", sentence)
    if advice.change is not None:
        lines += _change(advice.change, advice.currency)
    if advice.ruled_out:
        lines += _block("RULED OUT", ", ".join(advice.ruled_out))
    for change in advice.others[:OTHERS]:
        lines += _block("INSTEAD", _instead(change, advice.currency))
    if evidence.load is not None and not evidence.load.valid:
        lines += _block("MIND", evidence.load.invalid)
    if advice.verdict in LIMITS and (unheard := silent(evidence)):
        who = listed(unheard)
        lines += _block(
            "MIND", f"{who} told nothing in the seconds that count: a limit there is not seen."
        )
    if not evidence.timing and evidence.rate_django > 0:
        lines += _block("MIND", "Django told no times: what happens inside of it is not known.")
    if record:
        lines += _block("RECORD", record)
    return "\n".join(_once(lines)) + "\n"


def _heading(advice: Advice) -> str:
    if advice.verdict is Verdict.UNKNOWN:
        return "not enough load to tell"
    what, sure = advice.verdict.value, ""
    if advice.verdict is Verdict.UNEXPLAINED:
        what = "slow, and not explained"
    if advice.verdict in LIMITS:
        what = f"{advice.place.value}: {advice.where}" if advice.where else advice.place.value
        if advice.place in _ON_MACHINES:
            what = f"{advice.place.value} on {advice.where}"
        sure = f"   {percent(advice.certainty)} sure"
    limit = f"   limit {rates(advice.limit)}" if advice.limit is not None else ""
    return what + sure + limit


def _change(change: Change, currency: str) -> Iterator[str]:
    yield from _block("CHANGE", change.sentence)
    before = ""
    for edit in change.edits:
        place = f"{edit.file}, below `{edit.below.strip()}`" if edit.below else edit.file
        if place != before:
            yield f"{'':<{LABEL}}{place}:"
        before = place
        yield from _edit(edit)
    if change.statement:
        yield f"{'':<{LABEL}}{' '.join(change.statement.split())}"
    if change.where:
        yield f"{'':<{LABEL}}in {change.where}"
    for command in change.then:
        yield f"{'':<{LABEL}}$ {command}"
    now = today(change)
    if change.after is not None and now is not None:
        text = f"{figure(now)} → {rates(change.after)}"
        if change.next_limit:
            text += f"; next limit: {change.next_limit}"
        yield from _block("PREDICT", text)
    cost = _cost(change, currency)
    if cost:
        yield from _block("COST", cost)


def _edit(edit: Edit) -> Iterator[str]:
    for sign, lines in (("-", edit.removed), ("+", edit.added)):
        for line in lines:
            yield f"{'':<{LABEL}}{sign} {line}"


def _cost(change: Change, currency: str) -> str:
    if change.cost is None:
        return ""
    unit = f" {currency}" if currency else ""
    if change.cost == 0:
        return "no machine is bought for it"
    if change.cost < 0:
        return f"{figure(-change.cost)}{unit} a month less"
    text = f"{figure(change.cost)}{unit} a month"
    if change.per_thousand is not None:
        text += f"; {figure(change.per_thousand)}{unit} for 1,000 requests a minute more"
    return text


def _instead(change: Change, currency: str) -> str:
    text = f"{change.remedy.value}: {change.sentence}"
    if change.gain is not None:
        text += f" {figure(change.gain.value)} times as many requests ({between(change.gain)})."
    if change.response:
        text += f" Quicker answers, by up to {percent(change.share)}; not more of them."
    cost = _cost(change, currency)
    return f"{text} {cost[0].upper()}{cost[1:]}." if cost and change.cost else text


def _block(label: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{label:<{LABEL}}",
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _once(lines: list[str]) -> Iterator[str]:
    """Lines with a label only where it changes."""
    before = ""
    for line in lines:
        label = line[:LABEL]
        yield " " * LABEL + line[LABEL:] if label.strip() and label == before else line
        before = label if label.strip() else before
