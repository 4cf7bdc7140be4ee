"""The report as plain data, for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from espalier.insight.advice import Advice
from espalier.insight.cost import cost_curve
from espalier.insight.evidence import Part, Split
from espalier.insight.report.figures import busiest_minute, four_words
from espalier.insight.report.given import Given
from espalier.insight.report.growth import growth
from espalier.insight.report.queries import queries

_ADVICE: TypeAdapter[Advice] = TypeAdapter(Advice)
_PARTS: TypeAdapter[list[Part]] = TypeAdapter(list[Part])
_SPLIT: TypeAdapter[Split] = TypeAdapter(Split)


def as_json(given: Given) -> dict[str, Any]:
    """What the page shows, as objects of JSON: times in seconds, rates per second, shares of 1."""
    recording, evidence = given.recording, given.evidence
    return {
        "recording": recording.id,
        "site": recording.site.project,
        "environment": recording.environment,
        "made": recording.made,
        "seconds": recording.seconds,
        "response_time": evidence.slow or None,
        "throughput": {
            "rate": evidence.rate,
            "sustained": evidence.sustained,
            "busiest_minute": busiest_minute(recording),
        },
        "availability": 1 - evidence.errors if evidence.rate else None,
        "words": [asdict(one) for one in four_words(recording, evidence, given.advice)],
        "advice": _ADVICE.dump_python(given.advice, mode="json"),
        "parts": _PARTS.dump_python(list(evidence.parts), mode="json"),
        "split": _SPLIT.dump_python(evidence.split, mode="json") if evidence.timing else None,
        "load": evidence.load.model_dump(mode="json") if evidence.load else None,
        "growth": growth(given),
        "costs": [asdict(one) for one in cost_curve(evidence)],
        "views": [asdict(one) for one in evidence.views],
        "queries": [asdict(one) for one in queries(evidence.statements)],
        "proofs": [asdict(one) for one in given.proofs],
    }
