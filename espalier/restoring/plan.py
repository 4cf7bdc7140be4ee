"""What a restore will do, said before it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from espalier.restoring.moment import shown, span
from espalier_machine.common.text import shown_size


def lines(
    site: str, machine: str, plan: Mapping[str, Any], drill: Mapping[str, Any]
) -> Iterator[str]:
    """What will happen, as lines for a person.

    Args:
        site: its name.
        machine: the one with the primary.
        plan: the answer of `database-backup plan`.
        drill: the last one that went well, as `drills.last` gives it; {} for none.
    """
    target = plan["target"]
    yield f"{site} on {machine} would become {target['what']}."
    if target["kind"] != "default":
        yield f"  moment  {shown(target['time'])}"
        yield f"  lost    what was written in the {span(plan['lost'])} since then"
    else:
        yield "  lost    nothing that has come to the destination"
    begun = f"{shown(plan['backup_ended'])} ({target['backup']})"
    yield f"  from    the backup of {begun}, and the WAL since then"
    needs, free = shown_size(plan["bytes"]), shown_size(plan["free"])
    yield f"  space   {needs} of the {free} that are free"
    if plan["aside"]:
        yield "  kept    the database that is there now, under another name beside it"
    if drill:
        size = shown_size(drill["bytes"])
        took = f"the last drill took {span(drill['rto_seconds'])} for {size}"
        yield f"  time    {took}, on {drill['machine']}; migrations and uploads come in addition"
