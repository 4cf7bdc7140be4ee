"""Sites that have far more than they need."""

from __future__ import annotations

from collections.abc import Iterator

from espalier.insight import edits
from espalier.insight import thresholds as at
from espalier.insight.advice import Change, Place, Remedy
from espalier.insight.evidence import Evidence
from espalier.insight.finding import Finding, Level
from espalier.insight.price import machine_price
from espalier.insight.state import django_machines, load_of, suffering
from espalier.insight.words import percent


def smaller(evidence: Evidence) -> Iterator[Finding]:
    """A long look at a site with real visitors, and every part nearly idle."""
    if evidence.purpose != "measure" or evidence.seconds < at.SMALLER_SECONDS:
        return
    hard = [part for part in evidence.parts if part.is_hard]
    most = max((load_of(evidence, part) for part in hard), default=1.0)
    if suffering(evidence) or most > at.SMALLER:
        return
    machines = django_machines(evidence)
    if len(machines) > 1:
        sentence = f"{machines[-1]} need not run Django: the others have time enough."
        made = edits.machine_away(evidence.site, "app")
        price = machine_price(evidence.site, machines[-1])
    else:
        sentence = "A machine of half the size would do."
        made, price = [], machine_price(evidence.site, machines[0] if machines else "")
        price = price / 2 if price is not None else None
    yield Finding(
        Place.NOWHERE,
        "",
        Level.NOTE,
        1 - most,
        [f"no part was in use for more than {percent(most)}"],
        [
            Change(
                Remedy.SMALLER,
                Place.NOWHERE,
                sentence,
                made,
                then=["espalier check", "espalier site"],
                cost=-price if price is not None else None,
            )
        ],
    )
