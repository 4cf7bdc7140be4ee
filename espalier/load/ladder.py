"""The ladder of tiers: the steps up and down again, each an edit of one line of hosts.yml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from espalier.inventory.services import TIERS_AVAILABLE

TIERS_LINE = re.compile(r"^( *tiers:).*$", re.MULTILINE)


class ClimbError(Exception):
    """The climb cannot go on; says why."""


@dataclass
class Step:
    """One edit of `tiers`: how it is called, what the line says then, which tier changed.

    Or no edit, and a secret that is rotated.

    A climb notes in it the load's report on the step, and what is wrong with the step.
    """

    name: str
    tiers: list[str]
    tier: str = ""
    unchanged: bool = False  # a second run must change nothing
    secret: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def steps_of(ladder: Sequence[str]) -> list[Step]:
    """Give the steps up a ladder of tiers and down again.

    Raises ClimbError for a tier that the ladder does not know.
    """
    if unknown := [tier for tier in ladder if tier not in TIERS_AVAILABLE]:
        raise ClimbError(
            f"No tier: {', '.join(unknown)}. The ladder has {', '.join(TIERS_AVAILABLE)}."
        )
    steps = [Step("baseline", [])]
    for height, tier in enumerate(ladder, 1):
        steps.append(Step(f"+ {tier}", list(ladder[:height]), tier))
    # Where every service knows the others by certificates that it signs.
    steps.append(Step("new authority", list(ladder), secret="authority"))
    steps[-1].unchanged = True
    for height in range(len(ladder) - 1, -1, -1):
        steps.append(Step(f"- {ladder[height]}", list(ladder[:height])))
    steps[-1].unchanged = True
    return steps


def with_tiers(hosts: str, tiers: Sequence[str]) -> str:
    """Give the text of a hosts.yml with these tiers in its line `tiers: […]`.

    Raises ClimbError unless there is one such line.
    """
    text, edits = TIERS_LINE.subn(rf"\1 [{', '.join(tiers)}]", hosts)
    if edits != 1:
        raise ClimbError(f"There must be one line `tiers: […]`; there are {edits}.")
    return text
