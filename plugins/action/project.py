"""The task `project`: pack the user's Django project on the controller.

    - name: Pack the project
      project:
        project: "{{ project }}"
        extra_requirements: {gunicorn: ["gunicorn==27.0.1"]}
      register: packed
      run_once: true

Arguments: `project` (the dictionary of group_vars/all/project.yml), and optionally `overlay` (the
directory that holds espalier_overlay), `extra_requirements` (lists, by the server
that runs the project), `cache` (directory) and `base`
(what a relative `directory:` is relative to; the repository's root by default). Needs no
connection, changes no machine, works in check mode. Returns `project_build`: `archive` (path),
`identity`, `name`, `build` (build.json), `project` (checked, with defaults, without
`environment` and a password in the URL, which are secrets) and `notes` (the lines that were shown).
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]


def _library() -> ModuleType:
    """Load module_utils/project.py by path: Ansible only offers it to modules, not in here."""
    name = "espalier_project"
    if name not in sys.modules:
        path = ROOT / "plugins" / "module_utils" / "project.py"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded")
        # Dataclasses look their module up while it is still being run.
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def _plain(value: Any) -> Any:
    """Strip Ansible's tagged types; dates and decrypted secrets become text."""
    return json.loads(json.dumps(value, default=str))


class ActionModule(ActionBase):
    """Pack the project; fail with one sentence."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"project", "overlay", "extra_requirements", "cache", "base"})

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task; `project_build` in the result, or `failed` with `msg`."""
        result = super().run(tmp, task_vars)
        library = _library()
        arguments = _plain(dict(self._task.args))

        def show(lines: Sequence[str]) -> None:
            for line in lines:
                self._display.display(f"  {line}")

        try:
            packed = library.pack(
                arguments.get("project"),
                Path(arguments.get("base") or ROOT),
                Path(arguments.get("cache") or library.CACHE).expanduser(),
                Path(arguments.get("overlay") or ROOT / "overlay"),
                arguments.get("extra_requirements") or {},
                show=show,
            )
        except library.ProjectError as error:
            return result | {"failed": True, "msg": str(error)}
        project = dataclasses.asdict(packed.project)
        del project["environment"]
        project["git"] = library.without_password(project["git"])
        build = {
            "archive": str(packed.archive.path),
            "identity": packed.archive.identity,
            "name": packed.project.name,
            "build": packed.archive.build,
            "project": _plain(project),
            "notes": list(packed.detected.notes),
        }
        return result | {"changed": False, "project_build": build}
