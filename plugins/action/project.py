"""The task `project`: pack the user's Django project on the control machine.

    - name: Pack the project
      project:
        project: "{{ project }}"
        extra_requirements: {gunicorn: ["gunicorn==27.0.1"]}
      register: packed
      run_once: true

Arguments: `project` (the dictionary of group_vars/all/project.yml), and optionally `overlay` (the
directory that holds espalier_overlay), `extra_requirements` (lists, by the server that runs the
project), `tiers` (those of the site), `machines` (those that run Django), `cache` (directory) and
`base` (what a relative `directory:` is relative to; by default the root of the project that the
inventory belongs to). Needs no connection, changes no machine, works in check mode. A path after
`from:` in `files:` is relative to the inventory. Returns `project_build`: `archive` (path),
`identity`, `name`, `build` (build.json), `project` (checked, with defaults, without `SECRET` and a
password in the URL), `extensions` (of PostgreSQL, stated and found), `packages` (of Debian, where
Django runs), `python_downloads` (where a Python that the project names can be had) and `notes` (the
lines that were shown).

The work is done by `espalier.project`; here are only Ansible's arguments and results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier import paths
    from espalier.inventory.environments import project_root
    from espalier.project.cache import CACHE
    from espalier.project.errors import ProjectError
    from espalier.project.pack import Packed, pack
    from espalier.project.python_downloads import downloads
    from espalier.project.words import without_password
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

SECRET = {"environment", "files", "logins", "deploy_key"}


class ActionModule(ActionBase):
    """Pack the project; fail with one sentence."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(
        {"project", "overlay", "extra_requirements", "tiers", "machines", "cache", "base"}
    )

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task; `project_build` in the result, or `failed` with `msg`."""
        result = super().run(tmp, task_vars)
        arguments = _plain(dict(self._task.args))
        inventory = Path(base) if (base := arguments.get("base")) else None
        if not base:
            inventory = Path((task_vars or {})["inventory_dir"])
            base = project_root(inventory)

        def show(lines: Sequence[str]) -> None:
            for line in lines:
                self._display.display(f"  {line}")

        try:
            packed = pack(
                arguments.get("project"),
                Path(base),
                Path(arguments.get("cache") or CACHE).expanduser(),
                Path(arguments.get("overlay") or paths.OVERLAY),
                arguments.get("extra_requirements") or {},
                tiers=arguments.get("tiers") or (),
                machines=arguments.get("machines") or (),
                show=show,
                inventory=inventory,
            )
        except ProjectError as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": False, "project_build": _project_build(packed)}


def _plain(value: Any) -> Any:
    """Strip Ansible's tagged types; dates and decrypted secrets become text."""
    return json.loads(json.dumps(value, default=str))


def _project_build(packed: Packed) -> dict[str, Any]:
    """What the plays need of a packed project, without its secrets."""
    project = packed.project.model_dump(mode="json", exclude=SECRET)
    return {
        "archive": str(packed.archive.path),
        "identity": packed.archive.identity,
        "name": packed.project.name,
        "build": packed.archive.build,
        "project": project | {"git": without_password(packed.project.git)},
        "extensions": list(packed.detected.postgresql.extensions),
        "packages": [*packed.project.packages, *packed.detected.postgresql.packages],
        "python_downloads": downloads(packed.archive.build),
        "notes": list(packed.detected.notes),
    }
