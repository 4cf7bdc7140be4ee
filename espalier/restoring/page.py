"""The report of the backups as a page: one file of HTML, which loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espalier.pages import page_templates
from espalier.restoring import uploads
from espalier.restoring.moment import shown, span
from espalier_machine.common.text import counted, shown_size

WIDTH, HEIGHT = 600.0, 60.0  # of a chart, in its own units
Answers = Mapping[str, Mapping[str, Any]]
# Of a drill: the key, what it is, and in which unit it is shown.
CHARTS = (
    ("rto_seconds", "Recovery time (RTO): from nothing to a database that answers", "s", 1),
    ("age_seconds", "Age of the newest row (RPO): when the drill began", "s", 1),
    ("bytes", "Size of the database", "MB", 1e6),
    ("rows", "Rows", "", 1),
)


def page(site: str, now: float, colour: str, machines: Answers, copies: Answers) -> str:
    """Return the page.

    Args:
        site: its name.
        now: when the machines were asked (Unix seconds).
        colour: of the worst of them.
        machines: what each said of the database, as `database-backup status` answers.
        copies: what each said of uploads, as `judged` gives it.
    """
    environment = page_templates(Path(__file__).parent)
    environment.filters |= {"moment": shown, "span": span}
    environment.filters |= {"size": shown_size, "counted": counted}
    template = environment.get_template("page.html.j2")
    tables = {
        name: list(uploads.rows(answer)) if answer["ok"] else [] for name, answer in copies.items()
    }
    return template.render(
        site=site,
        now=now,
        colour=colour,
        machines=machines,
        copies=copies,
        copy_rows=tables,
        charts={name: charts(answer.get("drills", [])) for name, answer in machines.items()},
        width=WIDTH,
        height=HEIGHT,
    )


def charts(drills: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is drawn of the last drills, one chart for each figure; none before two.

    Returns: for each the `title`, the `unit`, the `lowest`, `highest` and `last` value, the `line`
    as points of SVG, and `failed`: where on it a drill proved nothing.
    """
    found = []
    for key, title, unit, per in CHARTS:
        values = [one[key] / per if one["ok"] and key in one else None for one in drills]
        known = [value for value in values if value is not None]
        if len(known) < 2:
            continue
        low, high = min(known), max(known)
        places = [WIDTH * number / (len(values) - 1) for number in range(len(values))]
        line = [
            f"{x:.1f},{height(value, low, high):.1f}"
            for x, value in zip(places, values, strict=True)
            if value is not None
        ]
        found.append(
            {
                "title": title,
                "unit": unit,
                "lowest": f"{low:,.0f}",
                "highest": f"{high:,.0f}",
                "last": f"{known[-1]:,.0f}",
                "line": " ".join(line),
                "failed": [
                    round(x, 1) for x, one in zip(places, drills, strict=True) if not one["ok"]
                ],
            }
        )
    return found


def height(value: float, low: float, high: float) -> float:
    """Return how far below the top of a chart a value is drawn."""
    return HEIGHT / 2 if high == low else HEIGHT * (high - value) / (high - low)
