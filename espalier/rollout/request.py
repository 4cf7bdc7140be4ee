"""What somebody wants of a site: plain data, which travels between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from espalier.rollout.batches import BATCHES
from espalier.rollout.packing import Archive


@dataclass(frozen=True)
class Request:
    """What somebody wants of a site.

    Attributes:
        version: instead of what project.yml says.
        batches: how many machines have the release after each batch.
        only_plan: build it on the first machine, say what it would change, and stop.
        accept: migrations that are unsafe, and wanted all the same.
        rollback_to: None for a release; else an id, an identity, or "" for the release before.
        by: who asks; the person at this terminal by default.
        archive: what is packed already, by `site.yml`; None to pack it now.
        machines: those that are released to; all that run Django by default.
        tokens: of the lock, by machine, where whoever asks holds it already; None to take it.
        only_known_fronts: see `Order`.
    """

    version: str = ""
    batches: tuple[str, ...] = BATCHES
    only_plan: bool = False
    accept: tuple[str, ...] = ()
    rollback_to: str | None = None
    by: str = ""
    archive: Archive | None = None
    machines: tuple[str, ...] = ()
    tokens: Mapping[str, str] | None = None
    only_known_fronts: bool = False

    def to_data(self) -> dict[str, Any]:
        """The request as plain data, for another process."""
        return asdict(self) | {"archive": self.archive and self.archive.to_data()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_data` gave."""
        values = dict(data)
        for name in ("batches", "accept", "machines"):
            values[name] = tuple(values[name])
        values["archive"] = values["archive"] and Archive.from_data(values["archive"])
        return cls(**values)
