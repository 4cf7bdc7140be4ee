"""The task `site_release`: release on all machines that run Django, as `espalier release` does.

    - name: Release
      site_release:
        project: "{{ project_name }}"
        archive: …/shop-0123456789abcdef.tar.gz
        identity: 0123456789abcdef
        statuses: {app1: "{…}", app2: "{…}"}

It runs on every machine of the play, so that each tells whether it changes; the first one starts
the release of all, in a process of its own and over connections of its own. Arguments: `project`
(its name), `archive` and `identity` (of what should be live), `statuses` (what `release status
--json` printed, by machine of the play; "" where there is no such command yet), `settings_change`
(whether this machine's are about to change, which check mode does not see), `accept` (migrations
that are unsafe and wanted), `tokens` (of the task `site_lock`). Returns `release` (how it went) and
`live` (the release of each machine); where it failed `exit_status`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier.rollout import from_ansible, process
    from espalier.rollout.choice import choose_new, is_live_everywhere
    from espalier.rollout.packing import Archive
    from espalier.rollout.request import Request
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

NOTHING_LIVE: dict[str, Any] = {"live": None, "stale": False, "releases": []}


class ActionModule(ActionBase):
    """Release, if anything differs."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(
        {"project", "archive", "identity", "statuses", "settings_change", "accept", "tokens"}
    )

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task; fails with the release's own sentence."""
        result = super().run(tmp, task_vars)
        arguments, known = self._task.args, task_vars or {}
        name, identity = known["inventory_hostname"], str(arguments["identity"])
        statuses = {machine: _status(text) for machine, text in arguments["statuses"].items()}
        mine = {name: statuses[name]}
        changes = bool(arguments.get("settings_change")) or not _is_live(mine, identity)
        if self._task.check_mode or name != next(iter(statuses)):
            return result | {"changed": changes}
        if _is_live(statuses, identity):
            live = {machine: status["live"]["id"] for machine, status in statuses.items()}
            return result | {"changed": False, "live": live}
        request = Request(
            accept=tuple(arguments.get("accept") or ()),
            by=from_ansible.by(),
            archive=Archive(Path(arguments["archive"]), identity),
            machines=tuple(statuses),
            tokens=from_ansible.plain(arguments.get("tokens")),
            only_known_fronts=True,
        )
        site = from_ansible.site(arguments["project"], known, self._play_context)
        with process.start(pipe_steps=True) as runner:
            report = process.run(runner, site, request, show=self._display.display)
        text = "\n".join(filter(None, [report.sentence, report.detail]))
        result["release"] = report.result
        if report.status:
            return result | {"failed": True, "msg": text, "exit_status": report.status}
        self._display.display(f"  {text}")
        live = {machine: ids["release"] for machine, ids in report.result["machines"].items()}
        return result | {"changed": changes, "live": live}


def _status(text: str) -> dict[str, Any]:
    """What `release status --json` printed; in check mode there may be no such command yet."""
    status = json.loads(text) if text else {}
    return status if "live" in status else NOTHING_LIVE


def _is_live(statuses: dict[str, Any], identity: str) -> bool:
    """Whether machines serve some content already, well, as their settings are."""
    ids = choose_new(statuses, list(statuses), identity, "")
    return is_live_everywhere(statuses, ids)
