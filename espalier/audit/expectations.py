"""What the audit expects and what the kit waives: expectations.yml, read and checked."""

from __future__ import annotations

from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from espalier.inventory.machine_settings.audit import Waiver

FILE = Path(__file__).with_name("expectations.yml")


class KitWaiver(Waiver):
    """A waiver of the kit, or of a person; `when` says on which machines it counts, "" on all."""

    when: Literal[
        "", "self_signed", "firewall_off", "old_clients", "passwords", "keys_only", "container"
    ] = ""


class Expectations(BaseModel):
    """The file, by its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ssh: dict[str, str]
    tls: str
    sandboxes: dict[str, float]
    lynis: int
    waivers: list[KitWaiver]

    def limits(self, project: str) -> dict[str, float]:
        """The highest score of a sandbox, by pattern of a unit's name."""
        return {name.format(project=project): limit for name, limit in self.sandboxes.items()}


@cache
def expectations() -> Expectations:
    """Read the file."""
    return Expectations.model_validate(yaml.safe_load(FILE.read_text()))


def limit_of(unit: str, limits: dict[str, float]) -> float:
    """The limit of a unit: that of the first pattern that fits."""
    return next(limit for pattern, limit in limits.items() if fnmatch(unit, pattern))
