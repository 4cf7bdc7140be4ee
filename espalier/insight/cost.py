"""Cost against machines: what the whole site costs with more machines that run Django."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from espalier.insight.evidence import Evidence, Kind, Part
from espalier.insight.predict import efficiency, label, with_app_machine
from espalier.insight.price import A_MINUTE, THOUSAND, machine_price
from espalier.insight.state import django_machines

FURTHER = 4  # machines more than today: what is beyond is guessed from too far away
BENT = 1.05  # a machine that gains less than this bends the curve, which ends there


@dataclass(frozen=True)
class Size:
    """The site with so many machines that run Django.

    Attributes:
        machines: how many run Django; the first of a curve is today's number.
        limit: requests/s that it answers at most, as far as processors and disks are the limit.
        cost: of all machines of the site, a month.
        per_thousand: a month, for 1,000 requests a minute.
        full: the part that is the limit then.
    """

    machines: int
    limit: float
    cost: float
    per_thousand: float
    full: str


def cost_curve(evidence: Evidence) -> list[Size]:
    """Today's site, and the same with one machine more at a time, until one more gains too little.

    The bound of each part is as `predict` has it for one machine: what Django uses is spread over
    all, and the other parts keep theirs. Further machines cost what the first with Django does.

    Returns:
        Nothing where a price, or a part, is not known.
    """
    site = evidence.site
    names = django_machines(evidence)
    known = [site.prices.get(name) for name in evidence.machines]
    prices = [price for price in known if price is not None]
    each = machine_price(site, names[0]) if names else None
    hard = [part for part in evidence.parts if part.is_hard and part.bound.value > 0]
    if not evidence.enough or each is None or not known or None in known or not hard:
        return []
    base = min(part.bound.value for part in hard)
    reached = evidence.sustained / base if evidence.failed else efficiency(evidence, base)
    found = []
    for further in range(FURTHER + 1):
        bounds = [(_bound(part, names, further), part) for part in hard]
        lowest, part = min(bounds, key=lambda one: one[0])
        limit, cost = lowest * reached, sum(prices) + further * each
        per_thousand = cost / (limit * A_MINUTE / THOUSAND) if limit else 0.0
        found.append(Size(len(names) + further, limit, cost, per_thousand, label(part)))
    return _until_bent(found)


def _until_bent(sizes: Sequence[Size]) -> list[Size]:
    """The sizes up to the first that gains next to nothing, that one included."""
    kept = list(sizes[:1])
    for smaller, larger in pairwise(sizes):
        kept.append(larger)
        if larger.limit < BENT * smaller.limit:
            break
    return kept


def _bound(part: Part, names: Sequence[str], further: int) -> float:
    """Requests/s at which a part is full with so many machines more."""
    if not further or not set(part.machines) & set(names):
        return part.bound.value
    if part.kind == Kind.PROCESSOR and "django" in part.shares:
        cores = part.capacity / len(part.machines)
        return with_app_machine(part, cores * further, len(part.machines)).value
    if part.kind == Kind.WORKERS or (part.kind == Kind.SERVICE and part.service == "django"):
        return part.bound.value * (len(names) + further) / len(names)
    return part.bound.value
