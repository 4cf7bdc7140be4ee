"""What pyinfra learns from a machine of the kit.

ENV=production pyinfra deploys/inventory.py fact deploys.facts.ReleaseStatus
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from pyinfra.api import FactBase


class ReleaseStatus(FactBase):
    """What is live on a machine, how it is, and which releases are kept there.

    Gives what `release status --json` prints, as a dictionary: `live` (id, identity, revision,
    version, slot, healthy, since, by; or None), `stale`, `processes`, `releases`, `lock` and
    `site_lock`.
    """

    def command(self, project: str = "") -> str:
        """The command to run; a project has to be named where the machine has several."""
        named = ["--project", project] if project else []
        return shlex.join(["release", *named, "status", "--json"])

    def process(self, output: list[str]) -> dict[str, Any]:
        """Read the one line of JSON."""
        return dict(json.loads(output[-1])) if output else {}


class ReleaseLog(FactBase):
    """Every time a release went live on a machine: a list of since, id, slot, by."""

    def command(self, project: str = "") -> str:
        """The command to run; a project has to be named where the machine has several."""
        named = ["--project", project] if project else []
        return shlex.join(["release", *named, "log", "--json"])

    def process(self, output: list[str]) -> list[dict[str, str]]:
        """Read the one line of JSON."""
        return list(json.loads(output[-1])["log"]) if output else []
