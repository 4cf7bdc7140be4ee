"""The task `site_lock`: hold the lock over the site while this run of a playbook goes on.

    - name: Lock the site
      site_lock:
        project: "{{ project_name }}"
      register: site_lock
      run_once: true

    - name: Unlock the site
      site_lock:
        unlock: "{{ site_lock }}"
      run_once: true

`what` says to those who are kept waiting what the run is, if it is not `site.yml`.
The lock is taken on every machine that runs Django, under `--limit` too, by a process of its own
that ends with this run. A release, or another run, that holds it already is a failure with a
sentence, and an `exit_status`. Returns `tokens` (machine -> token), `pid` (of the process that
holds the lock) and `socket` (where that process is told to unlock).
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier.inventory.site import SiteError
    from espalier.progress.events import send
    from espalier.rollout import from_ansible, holder
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

# Ansible loads this file in its first process, which forks one for each task.
RUN = holder.RunPipes()


class ActionModule(ActionBase):
    """Lock, or unlock."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"project", "unlock", "what"})

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        result = super().run(tmp, task_vars)
        if "unlock" in self._task.args:
            held = self._task.args["unlock"] or {}
            if held.get("socket"):
                holder.end(held["socket"])
            return result | {"changed": False}
        if self._task.check_mode:
            return result | {"changed": False, "tokens": {}}
        if not RUN.is_forked:
            raise AnsibleActionFail(
                "This strategy of Ansible's loads plugins too late for the lock over the site; run "
                "it with the strategy `linear`."
            )
        what = self._task.args.get("what", "site.yml")
        site = from_ansible.site(self._task.args["project"], task_vars or {}, self._play_context)
        try:
            held = holder.start(site, from_ansible.by(what), run=RUN.readers, what=what)
        except SiteError as error:
            text = "\n".join(filter(None, [str(error), error.detail]))
            return result | {"failed": True, "msg": text, "exit_status": error.status}
        for note in held.pop("notes"):
            self._display.display(f"  {note}")
            send("notes", lines=[note])
        return result | {"changed": False} | held
