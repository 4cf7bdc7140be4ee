"""The task `ssh_proof`: try from here whether a key lets people in, before that is all that does.

    - name: Prove that a key lets people in
      ssh_proof: {options: {KexAlgorithms: …}, wants_keys: true}
      register: proof

It makes new connections of its own as the inventory says, without a password: with `options` of
ssh, which sshd is to demand from now on; and without them where that fails. Returns `key_works`,
`options_work` and `problem` (ssh's words). What does not work is said, with what to do.

    - name: Try the new port
      ssh_proof: {port: 2222, old_port: 22}

Says whether a port answers from here, and what to write in hosts.yml then.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from espalier.inventory import key_login
    from espalier.inventory.ssh_config import command, config_file, destinations, settings
    from espalier.progress.events import send
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
    """Try to connect, and say what that means."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"options", "wants_keys", "port", "old_port"})

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        result = super().run(tmp, task_vars)
        known, asked = task_vars or {}, self._task.args
        machine = str(known["inventory_hostname"])
        variables = from_ansible.site("", known, self._play_context).variables
        with config_file(variables) as config:
            destination = destinations(variables)[machine]

            def attempt(options: dict[str, Any]) -> str:
                flags = key_login.flags(options)
                return _problem([*command(config, destination, flags), "true"])

            if "port" in asked:
                problem = attempt({"Port": asked["port"]})
                notes = [key_login.port_note(machine, asked["port"], asked["old_port"], problem)]
            else:
                own = settings(config, destination)
                found = key_login.prove(attempt, asked.get("options") or {}, own)
                result |= {
                    "key_works": found.key_works,
                    "options_work": found.options_work,
                    "problem": found.problem,
                }
                notes = key_login.notes(machine, found, bool(asked["wants_keys"]))
        for note in notes:
            self._display.display(f"  {note}")
            send("notes", lines=[note])
        return result | {"changed": False, "notes": notes}


def _problem(argv: list[str]) -> str:
    """Run ssh; gives its last words where it cannot log in, "" where it can."""
    # Without the way to ask for a password that a person's own environment may have.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SSH_ASKPASS")}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return "no answer within 60 seconds"
    lines = done.stderr.strip().splitlines()
    return (
        "" if done.returncode == 0 else (lines[-1] if lines else f"exit status {done.returncode}")
    )
