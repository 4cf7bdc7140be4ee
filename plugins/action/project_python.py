"""The task `project_python`: show which Python the project gets on a machine, or fail.

    - name: Refuse a Python that the machine cannot have
      project_python:
        build: "{{ build.build }}"
        downloads: "{{ build.python_downloads }}"
        own: "{{ (ansible_facts['distribution_release'] | espalier_debian).python }}"
        directory: "{{ project_directory }}/pythons"

Arguments: `build` (build.json), `downloads` (URLs by architecture and version, from the task
`project`), `own` (the Python of the machine's Debian), `directory` (where uv keeps those that it
has brought). Asks the machine (module `pythons`) only where another Python than its own is wanted.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier.wiring.pythons import chosen, refusal
    from espalier_machine.common.pythons import candidates
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None


class ActionModule(ActionBase):
    """Show what was found; fail with one sentence."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"build", "downloads", "own", "directory"})

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        build, own = arguments["build"], str(arguments["own"])
        machine = str((task_vars or {})["inventory_hostname"])
        versions = candidates(build, own)
        if versions[:1] == [own]:
            return result | {"changed": False}
        asked = {
            "versions": versions,
            "own": own,
            "directory": arguments["directory"],
            "downloads": arguments["downloads"],
        }
        found = self._execute_module("pythons", asked, task_vars=task_vars)
        if found.get("failed"):
            return result | found
        if not found["found"]:
            return result | {"failed": True, "msg": refusal(machine, build, found)}
        said = chosen(machine, build, versions, found)
        self._display.display(f"  {said}")
        return result | {"changed": False, "python_note": said}
