"""The moment that a person means, as they write it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from espalier.inventory.site import SiteError
from espalier_machine.common.text import counted

LATEST = "latest"
FORMS = "such as `2026-11-28 14:03`, `2026-11-28 14:03:20+02:00`, or `latest`"


def wanted(to: str, transaction: int | None, before: str) -> dict[str, Any]:
    """Return what the machine's program `database-backup plan` takes.

    Args:
        to: a time of the zone of this computer, where it names none; or `latest`.
        transaction: the id of a transaction.
        before: a part of a statement.

    Raises:
        SiteError: not exactly one of them is given, or a time cannot be read.
    """
    given = [bool(to), transaction is not None, bool(before)]
    if given.count(True) != 1:
        raise SiteError(
            "Say which moment: --to TIME, --to latest, --transaction ID, or --before STATEMENT.", 2
        )
    if transaction is not None:
        return {"transaction": transaction}
    if before:
        return {"before": before}
    return at(to, "--to")


def at(text: str, option: str) -> dict[str, Any]:
    """Return what the machine's program takes for a time, or for `latest`.

    Args:
        text: a time of the zone of this computer, where it names none; or `latest`.
        option: the one that has it, for sentences.

    Raises:
        SiteError: it is no time.
    """
    return {"latest": True} if text == LATEST else {"to": moment(text, option).timestamp()}


def moment(text: str, option: str) -> datetime.datetime:
    """Return a time with its zone.

    Raises:
        SiteError: it is none, or when clocks change it was twice or never.
    """
    try:
        found = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise SiteError(f"{option} {text!r} is no time. Write one {FORMS}.", 2) from None
    # PEP 495: the readings of a time that is there once are the same.
    first, second = (found.replace(fold=fold).astimezone() for fold in (0, 1))
    if first == second:
        return first
    is_twice = first.replace(tzinfo=None) == found
    why = "was twice, as clocks were put back" if is_twice else "never was: clocks were put forward"
    raise SiteError(
        f"{option} {text!r} {why}. Write the time that you mean with its offset: "
        f"`{first.isoformat(' ')}` or `{second.isoformat(' ')}`.",
        2,
    )


def of_uploads(target: Mapping[str, Any]) -> str:
    """Return the moment of the database's target, as the program for uploads takes it."""
    if target["kind"] == "default":
        return LATEST
    return datetime.datetime.fromtimestamp(target["time"], datetime.UTC).isoformat()


def shown(seconds: float) -> str:
    """Return a moment for a person: in the zone of this computer, and in UTC."""
    here = datetime.datetime.fromtimestamp(seconds).astimezone()
    utc = here.astimezone(datetime.UTC)
    text = f"{here:%Y-%m-%d %H:%M:%S}"
    return f"{text} UTC" if here.utcoffset() == utc.utcoffset() else f"{text} ({utc:%H:%M:%S} UTC)"


def span(seconds: float) -> str:
    """Return a length of time for a person."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return counted(round(seconds), "second")
