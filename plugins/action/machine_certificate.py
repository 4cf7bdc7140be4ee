"""The task `machine_certificate`: give a machine a certificate of the site's own authority.

    - name: Have a certificate
      machine_certificate:
        names: ["{{ base_address }}", "{{ inventory_hostname }}"]

Arguments: `names` (addresses and names that it is for, the main one first). The authority is the
variable `site_authority`, a secret, and so no argument. What the machine has is the fact
`machine_certificate`, which `machine_facts` gives and this task renews; the machine is asked only
where it needs another one. The key never leaves the machine.
"""

from __future__ import annotations

import datetime
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier.wiring.authority import DIRECTORY, is_due, sign
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None


class ActionModule(ActionBase):
    """Have the machine make a key and a request, sign it, and give the certificate back."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"names"})

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        names = [str(name) for name in self._task.args["names"]]
        secret = str(self._templar.template(variables["site_authority"]))
        known = variables["ansible_facts"].get("machine_certificate") or {}
        now = datetime.datetime.now(datetime.UTC)
        try:
            if not is_due(str(known.get("pem", "")), secret, names, now):
                return result | {"changed": False}
            if self._task.check_mode:
                return result | {"changed": True}
            asked = self._execute_module(
                "machine_certificate", {"directory": DIRECTORY}, task_vars=task_vars
            )
            if asked.get("failed"):
                return result | asked
            signed = sign(asked["request"], secret, names, now)
        except ValueError as error:
            return result | {"failed": True, "msg": str(error)}
        return result | self._execute_module(
            "machine_certificate",
            {"directory": DIRECTORY, "certificate": signed},
            task_vars=task_vars,
        )
