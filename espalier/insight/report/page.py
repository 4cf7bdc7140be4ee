"""The report as a page: one file of HTML with drawings, which has no script and loads nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from espalier.insight import pareto
from espalier.insight.advice import Verdict
from espalier.insight.report import costs, figures, queries, sentences, words
from espalier.insight.report.chart_bounds import BEYOND, MOST, chart_bounds
from espalier.insight.report.chart_load import chart_load
from espalier.insight.report.chart_pareto import chart_pareto
from espalier.insight.report.chart_proofs import chart_before_after, chart_ledger
from espalier.insight.report.chart_split import chart_split, key, pieces
from espalier.insight.report.chart_utilisation import chart_utilisation
from espalier.insight.report.given import Given
from espalier.insight.report.growth import growth
from espalier.insight.report.svg import NARROW, WIDE
from espalier.pages import page_templates, prose

HERE = Path(__file__).parent
CALM = (Verdict.NOTHING, Verdict.SMALLER)


def page(given: Given) -> str:
    """Return the page of a measurement."""
    recording, evidence, advice = given.recording, given.evidence, given.advice
    return (
        _templates(given)
        .get_template("page.html.j2")
        .render(
            style=Markup((HERE / "page.css").read_text()),
            site=recording.site.project,
            environment=recording.environment,
            evidence=evidence,
            advice=advice,
            how=sentences.how(recording),
            words=figures.four_words(recording, evidence, advice),
            verdict=sentences.verdict(advice),
            certainty=sentences.certainty(advice),
            is_calm=advice.verdict in CALM,
            notes=sentences.notes(recording),
            **_parts(given),
            **_split(given),
            **_load(given),
            **_pareto(given),
            **_past(given),
            growth=growth(given),
            costs={"rows": costs.costs(evidence), "headings": costs.HEADINGS}
            | {"title": costs.TITLE, "note": costs.NOTE},
            machines=[
                chart_utilisation(name, values, f"{words.number(machine.cores)} cores")
                for name, machine in recording.machines.items()
                if (values := figures.utilisation(machine))
            ],
        )
    )


def _templates(given: Given) -> Environment:
    environment = page_templates(HERE)
    environment.filters |= {
        "duration": words.duration,
        "number": words.number,
        "prose": prose,
        "share": words.share,
        "times": words.times,
        "per": lambda seconds, requests: words.duration(seconds / max(requests, 1)),
        "cost": partial(sentences.cost, currency=given.advice.currency),
        "money": partial(words.money, currency=given.advice.currency),
        "prediction": sentences.prediction,
    }
    return environment


def _both(draw: Callable[[float], Markup]) -> Markup:
    """A drawing for wide pages and for phones, one after the other; page.css shows one of them."""
    return Markup("\n").join((draw(WIDE), draw(NARROW)))


def _parts(given: Given) -> dict[str, Any]:
    parts = given.evidence.parts
    if not parts:
        return {"bounds": "", "has_soft": False, "is_beyond": False, "more_parts": ()}
    marks = figures.rates(given.recording, given.evidence)
    return {
        "bounds": _both(lambda width: chart_bounds(parts, marks, width)),
        "has_soft": any(not part.is_hard for part in parts[:MOST]),
        "is_beyond": any(part.bound.value > BEYOND * parts[0].bound.value for part in parts[:MOST]),
        "more_parts": [f"{one.name} ({words.spread(one.bound)})" for one in parts[MOST:]],
    }


def _split(given: Given) -> dict[str, Any]:
    split = given.evidence.split
    shown = pieces(split) if given.evidence.timing else []
    return {
        "split": _both(lambda width: chart_split(shown, width)) if shown else "",
        "pieces": [{"key": key(one), **vars(one)} for one in shown],
        "waits": sentences.waits(split.database_waits),
        "no_split": sentences.no_split(given.evidence),
    }


def _load(given: Given) -> dict[str, Any]:
    load = given.evidence.load
    steps = figures.counted_steps(load.steps) if load else []
    if load is None or not steps:
        return {"load": "", "load_words": ""}
    knee = load.knee
    return {
        "load": _both(lambda width: chart_load(steps, knee, width)),
        "load_words": sentences.load(load),
    }


def _pareto(given: Given) -> dict[str, Any]:
    views = pareto.of_views(given.evidence.views, most=1.0)
    found = queries.queries(given.evidence.statements)
    bars = [(one.name, one.share) for one in views]
    named = [(one.name, one.share) for one in found]
    return {
        "views": _both(partial(chart_pareto, "views", bars)) if bars else "",
        "statements": _both(partial(chart_pareto, "queries", named)) if named else "",
        "queries": found[: queries.MOST],
        "halved": sentences.halved(views),
    }


def _past(given: Given) -> dict[str, Any]:
    proofs = given.proofs
    predicted = [proof for proof in proofs if proof.predicted]
    return {
        "proofs": proofs,
        "before_after": _both(partial(chart_before_after, proofs)) if proofs else "",
        "ledger": _both(partial(chart_ledger, predicted)) if predicted else "",
        "record": sentences.record(predicted),
    }
