"""The task `unreachable`: fail, and say in one sentence why a machine cannot be reached.

    - name: Refuse a machine that cannot be reached
      unreachable:
        error: "{{ reached.msg }}"
      when: reached is unreachable

Argument: `error`, what Ansible said of it. A machine whose host key is refused is asked for its
keys, without logging in, so that the sentence can name the fingerprint.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier.inventory.host_keys import compare
    from espalier.inventory.ssh_config import config_file, destinations
    from espalier.inventory.unreachable import host_key_refusal, unreachable
    from espalier.rollout import from_ansible
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None


class ActionModule(ActionBase):
    """Fail with the sentence."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"error"})

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        result = super().run(tmp, task_vars)
        known = task_vars or {}
        machine, words = str(known["inventory_hostname"]), str(self._task.args["error"])
        variables = from_ansible.site("", known, self._play_context).variables
        compared = None
        if host_key_refusal(machine, words):
            with config_file(variables) as config:
                compared = compare(config, destinations(variables)[machine], variables[machine])
        sentence = unreachable(machine, variables[machine], words, compared)
        return result | {"failed": True, "msg": f"{sentence} Nothing was changed."}
