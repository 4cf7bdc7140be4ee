"""The site as a running playbook knows it, for the processes that `site.yml` starts.

Whatever was typed, vaulted or configured is resolved by Ansible already, so nothing is asked twice.
Imported by action plugins only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants

from espalier.inventory.connection import connection_variables, variable_names
from espalier.inventory.site import Site
from espalier.rollout.commands import current_user

# What a person types for all machines (-u, -k, -K): its name, and where Ansible holds it.
TYPED = {
    "ansible_user": "remote_user",
    "ansible_password": "password",
    "ansible_become_password": "become_pass",
}


def by(what: str = "site.yml") -> str:
    """Who runs the playbook, for the log of a machine; and what it is."""
    return f"{current_user()} ({what})"


def site(name: str, task_vars: Mapping[str, Any], play_context: Any) -> Site:
    """Describe the site of a running playbook.

    Args:
        name: the project's checked name.
        task_vars: of a task on any of its machines.
        play_context: Ansible's, which holds the passwords that were typed (-K, -k) and `-u`.
    """
    hostvars, names = task_vars["hostvars"], variable_names()
    own = hostvars[task_vars["inventory_hostname"]]
    defaults = {}
    for variable, attribute in TYPED.items():
        # Where the task's machine has such a variable, Ansible holds that one: it is no other's.
        is_own = any(one in own for one in constants.MAGIC_VARIABLE_MAPPING[attribute])
        if not is_own and (value := getattr(play_context, attribute)):
            defaults[variable] = str(value)
    topology = plain(task_vars["topology"])
    variables = {}
    for machine in topology["machines"]:
        values = {key: hostvars[machine][key] for key in names if key in hostvars[machine]}
        variables[machine] = {**defaults, **connection_variables(values, machine)}
    project = plain(task_vars.get("project") or {})
    return Site(Path(task_vars["inventory_dir"]), name, topology, project, {}, variables)


def plain(value: Any) -> Any:
    """A value without Ansible's tags."""
    return json.loads(json.dumps(value, default=str))
