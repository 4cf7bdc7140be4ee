"""The nightly drills, as machines remember them: the last one, and the trend of those before."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from espalier.inventory.remote import Remote
from espalier.inventory.site import Site, SiteError
from espalier.restoring.ask import ask
from espalier.restoring.moment import shown, span
from espalier_machine.common.text import counted, shown_size

WINDOWS = (7, 30, 90)  # drills
Drill = Mapping[str, Any]


def last(remote: Remote, site: Site) -> dict[str, Any]:
    """Return the newest drill that went well, with its `machine`; {} where nobody knows of one.

    The machine whose database is restored may be none that drills, or a new one.

    Args:
        remote: how machines are reached.
        site: whose machines are asked.
    """
    found = []
    for machine in (*site.machines("pgbackrest_repository"), *site.machines("pgbackrest")):
        # One that does not answer, or has a version before, knows of none.
        with suppress(SiteError):
            drill = ask(remote, machine, "report", {})["drill"]
            found += [{**drill, "machine": machine}] if drill.get("ok") else []
    return max(found, key=lambda one: one["ended"], default={})


def row(drill: Drill) -> list[str]:
    """What the last drill has proven, as a row of a table; [] for nothing."""
    if not drill.get("ok"):
        return []
    said = [counted(drill["rows"], "row"), f"back after {span(drill['rto_seconds'])}"]
    if drill.get("compared"):
        said.insert(1, f"{counted(drill['compared'], 'table')} as on the site")
    if drill.get("newest_commit"):
        said.append(f"the newest {span(drill['age_seconds'])} old")
    return ["drill", shown(drill["ended"]), ", ".join(said)]


def trend(drills: Sequence[Drill]) -> Iterator[list[str]]:
    """The medians of the last drills, as rows of a table; none before there are two."""
    counts = sorted({min(len(drills), window) for window in WINDOWS}) if len(drills) > 1 else []
    for place, count in enumerate(counts):
        some = drills[-count:]
        well = [one for one in some if one["ok"]]
        said = []
        if well:
            seconds, size = (
                statistics.median(one[key] for one in well) for key in ("rto_seconds", "bytes")
            )
            said = [f"back after {span(seconds)}", shown_size(size)]
        said += [f"{count - len(well)} not proven"] if len(well) < count else []
        yield ["" if place else "trend", f"{count} drills", ", ".join(said)]
