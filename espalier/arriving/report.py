"""What an import has done, and what it has left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from espalier.arriving import uploads


@dataclass
class Report:
    """What was done.

    Attributes:
        before: rows by table in the source, and `after` in the site.
        database_aside: the name of the database that was there before.
        uploads: those that have arrived.
        notes: what a person should know of.
        failures: what is not well, though the data is in.
        wrong: after a way back, what is not as it was.
        stays: after a way back, what there is beside.
    """

    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)
    database_aside: str = ""
    uploads: uploads.Received | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
