"""The live release while data is brought in: closed, migrated to the new database, started anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from espalier.arriving import maintenance
from espalier.arriving.report import Report
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier.rollout.commands import current_user, release_command
from espalier.rollout.lock import NO_COMMAND

# Starts the other processes anew; prints those that are not up some seconds after.
RESTART = """
units=$(systemctl list-units --plain --no-legend "$1" | cut -d ' ' -f 1)
[ -n "$units" ] || exit 0
systemctl restart $units
sleep 5
for unit in $units; do
  # One after the other: of several, systemd has an order of its own.
  state=$(systemctl show -P ActiveState "$unit")
  [ "$state $(systemctl show -P NRestarts "$unit")" = "active 0" ] || echo "$unit"
done
"""
USAGE = 2
CLEAR_CACHE = "from django.core.cache import cache; cache.clear()"


class LiveRelease:
    """The release that serves a site."""

    def __init__(
        self,
        site: Site,
        remote: Remote,
        report: Report,
        step: Callable[[str, str], AbstractContextManager[object]],
    ) -> None:
        """Take the site, how it is reached, the import's report, and what shows a step."""
        self.site, self.remote, self.report, self.step = site, remote, report, step

    def is_there(self) -> bool:
        """Whether there is one."""
        try:
            return bool(self.release(self.site.app_machines[0], ["status"], {})["live"])
        except SiteError as error:
            if error.status == USAGE:
                return False
            raise

    def use(self, tokens: Mapping[str, str]) -> None:
        """Migrate the new database to the live release, and have every process see it."""
        first = self.site.app_machines[0]
        live = self.release(first, ["status"], tokens)["live"]
        with self.step("migrate", first):
            self.release(first, ["migrate", live["id"]], tokens)
        for machine in self.site.app_machines:
            with self.step("restart", machine):
                self.release(machine, ["restart"], tokens)
                self._restart_processes(machine)
        if self.site.machines("redis"):
            words = ["release", "--project", self.site.name, "manage", "--", "shell", "-c"]
            status, _, errors = self.remote.run(first, [*words, CLEAR_CACHE])
            if status:
                self.report.notes.append(f"the cache was not emptied: {explain(errors)}")

    def _restart_processes(self, machine: str) -> None:
        """Start workers and the like anew; those that do not come up are a failure to report."""
        units = f"{self.site.name}-process@*.service"
        status, out, errors = self.remote.run(machine, ["sh", "-c", RESTART, "sh", units])
        if status or out.strip():
            what = ", ".join(out.split()) or explain(errors)
            self.report.failures.append(
                f"{machine}: processes did not come up with the new database: {what}."
            )

    def release(
        self, machine: str, arguments: list[str], tokens: Mapping[str, str]
    ) -> dict[str, Any]:
        """Run the release command; gives its answer.

        Raises:
            SiteError: it failed; with the status USAGE, it is not there, or knows no such project.
        """
        words = release_command(
            self.site.name, arguments, by=current_user(), token=tokens.get(machine, "")
        )
        status, out, errors = self.remote.run(machine, words)
        failed = USAGE if status in NO_COMMAND else 1
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError:
            raise SiteError(f"{machine}: {explain(errors)}", failed, errors) from None
        if not answer["ok"]:
            raise SiteError(f"{machine}: {answer['error']}", failed, answer.get("detail") or "")
        return answer

    def closed(self) -> AbstractContextManager[None]:
        """Have the site closed for maintenance, and open again where it was open."""
        machines = self.site.machines("nginx")
        return maintenance.closed(self.remote, machines, self.report.notes.append, self._warn)

    def _warn(self, sentence: str) -> None:
        """Report it whether the import comes to its end or goes back."""
        self.report.wrong.append(sentence)
        self.report.failures.append(sentence)
