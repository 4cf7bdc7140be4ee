"""What the site costs with more machines, as a table."""

from __future__ import annotations

from espalier.insight.cost import cost_curve
from espalier.insight.evidence import Evidence
from espalier.insight.report.words import money, number

TITLE = "What more machines for Django would cost"
NOTE = (
    "Of the whole site, as far as processors and disks are the limit. One machine more at a time, "
    "until one more gains next to nothing."
)
HEADINGS = (
    "Machines with Django",
    "Requests/s at most",
    "A month",
    "For 1,000 requests a minute",
    "Full then",
)


def costs(evidence: Evidence) -> list[list[str]]:
    """A row for each number of machines, as `HEADINGS` names its cells; none without prices."""
    currency = evidence.site.currency
    return [
        [
            str(one.machines),
            number(one.limit),
            money(one.cost, currency),
            money(one.per_thousand, currency),
            one.full,
        ]
        for one in cost_curve(evidence)
    ]
