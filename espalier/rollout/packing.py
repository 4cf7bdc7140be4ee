"""What is released: the project, packed here into one archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from espalier import paths
from espalier.inventory.environments import project_root
from espalier.inventory.site import Site
from espalier.project import pack as project
from espalier.project.cache import CACHE
from espalier.project.schema import check
from espalier.project.source.git import commits


@dataclass(frozen=True)
class Archive:
    """A packed release: its file here, what identifies its content, and a note for a person."""

    path: Path
    identity: str
    note: str = ""

    def to_data(self) -> dict[str, str]:
        """The archive as plain data, for another process."""
        return {"path": str(self.path), "identity": self.identity, "note": self.note}

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> Self:
        """Read what `to_data` gave."""
        return cls(Path(data["path"]), data["identity"], data.get("note", ""))


def pack(site: Site, version: str = "") -> Archive:
    """Pack what project.yml declares, or another version of it.

    Raises:
        SiteError: the project is refused, with the sentence for it.
    """
    packed = project.pack(
        _wanted(site, version),
        project_root(site.inventory),
        CACHE.expanduser(),
        paths.OVERLAY,
        site.requirements,
        tiers=site.topology["tiers"],
        inventory=site.inventory,
        machines=site.app_machines,
    )
    build = packed.archive.build
    note = f"{build['source']} {build['version']} {build['revision'][:12]}".strip()
    return Archive(packed.archive.path, packed.archive.identity, note)


def add_commits(plan: dict[str, Any], site: Site, version: str = "") -> None:
    """Add to a comparison the commits between the two releases, which only a git mirror knows."""
    plan["commits"] = commits(
        check(_wanted(site, version)),
        project_root(site.inventory),
        CACHE.expanduser(),
        plan["live"],
        plan["wanted"],
    )


def _wanted(site: Site, version: str) -> dict[str, Any]:
    return {**site.project, **({"version": version} if version else {})}
