"""The site: what one inventory says, with every template filled in. Plain data, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

# The names of the file that makes a directory an inventory of this kit.
TOPOLOGY_FILES = ("topology.yml", "topology.yaml")


class SiteError(Exception):
    """A sentence for the person at the terminal.

    `status` is the exit status (1 failed, 2 wrong use, 3 locked), `detail` what a tool printed.
    """

    def __init__(self, sentence: str, status: int = 1, detail: str = "") -> None:
        """Take the sentence, the exit status, and what a tool printed."""
        super().__init__(sentence)
        self.status, self.detail = status, detail


@dataclass(frozen=True)
class Site:
    """One Django project on the machines of one inventory.

    Attributes:
        inventory: its directory.
        name: the project's checked name: its user, its directories, its units.
        topology: the computed map (docs/topology.md).
        project: what `project.yml` says, as the user wrote it, with templates filled in.
        requirements: Python packages of the kit's own by server, added to the project's.
        variables: by machine, how Ansible reaches it, under the canonical names that
            `espalier.inventory.connection` lists. Passwords are among them, so they are not in the
            `repr`, and `to_json` is for pipes only: no argument, no file that others can read.
        settings: by machine, what hosts.yml says under `firewall`, `ssh` (but `users`) and `audit`
            (`espalier.inventory.machine_settings`), `insight` and `prices`, with templates filled
            in. For who asks for it.
    """

    inventory: Path
    name: str
    topology: Mapping[str, Any]
    project: Mapping[str, Any]
    requirements: Mapping[str, list[str]]
    variables: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name the site, without any password."""
        return f"Site({str(self.inventory)!r}, {self.name!r})"

    def machines(self, service: str) -> list[str]:
        """The machines that run a service, in order."""
        return list(self.topology["services"][service])

    @property
    def app_machines(self) -> list[str]:
        """The machines that run Django, in order."""
        return self.machines("django")

    @property
    def release_machines(self) -> list[str]:
        """The machines that a release touches: with Django, or with a cache of its pages."""
        caching = self.machines("nginx") if self.project.get("microcache") else []
        return list(dict.fromkeys([*self.app_machines, *caching]))

    def to_json(self) -> str:
        """The site for another process, secrets included."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return json.dumps(values | {"inventory": str(self.inventory)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(**(values | {"inventory": Path(values["inventory"])}))
