"""The task `guarded_files`: a change that locks people out takes itself back.

    - name: Change the firewall
      guarded_files:
        name: firewall
        what: the firewall
        remedy: "`firewall` in hosts.yml"
        files: [{path: /etc/espalier/firewall.nft, content: "{{ rules }}"}]
        apply: nft -f /etc/espalier/firewall.nft

The module of the same name has the arguments. It changes the files, with a timer on the machine
that puts the old ones back. Then this proves that people still get in: it ends Ansible's connection
and makes a new one, as Ansible has resolved it (user, port, key, bastion, sudo), and lets the
change stand through that. Where no new connection can be had, it waits until the machine has taken
the change back, and fails with a sentence.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier.inventory.way_in import Proof, prove, sentence
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

MODULE = "guarded_files"
PLACE = "/var/lib/espalier-guard"  # the module's


class ActionModule(ActionBase):
    """Change the files, and prove the way in."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        result = super().run(tmp, task_vars)
        begun = self._execute_module(MODULE, task_vars=task_vars)
        token = begun.pop("token", "")
        result |= begun
        if result.get("failed") or not token:
            return result
        before = self._connection_line()

        def attempt() -> Proof:
            try:
                self._connection.reset()
                if before and self._connection_line() == before:
                    return Proof("", "the old connection did not end")
                arguments = {**self._task.args, "step": "confirm", "token": token}
                found = self._execute_module(MODULE, arguments, task_vars=task_vars)
            except AnsibleConnectionFailure as error:
                raise ConnectionError(str(error)) from error
            said = found.get("module_stderr") or found.get("msg", "")
            return Proof(found.get("state", ""), str(said).strip())

        arguments = self._task.args
        name, seconds = str(arguments["name"]), int(arguments.get("seconds", 60))
        what, remedy = str(arguments["what"]), str(arguments.get("remedy", ""))
        proof = prove(attempt, seconds)
        machine, place = str((task_vars or {})["inventory_hostname"]), f"{PLACE}/{name}"
        if refusal := sentence(machine, what, remedy, proof, seconds, place):
            return result | {"failed": True, "msg": refusal}
        return result

    def _connection_line(self) -> str:
        """Which connection this is, as the machine sees it: both addresses and ports.

        The user's own shell knows it, sudo's does not. "" where it is none of SSH.
        """
        found = self._low_level_execute_command('echo "$SSH_CONNECTION"', sudoable=False)
        return str(found.get("stdout", "")).strip()
