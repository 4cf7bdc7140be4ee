"""The site as a running playbook knows it, for the processes that `site.yml` starts.

Whatever was typed, vaulted or configured is resolved by Ansible already, so nothing is asked twice.
Imported by action plugins only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espalier.inventory.connection import connection_variables, variable_names
from espalier.inventory.site import Site
from espalier.rollout.commands import current_user


def by() -> str:
    """Who runs the playbook, for the log of a machine."""
    return f"{current_user()} (site.yml)"


def site(name: str, task_vars: Mapping[str, Any], play_context: Any) -> Site:
    """Describe the site of a running playbook.

    Args:
        name: the project's checked name.
        task_vars: of a task on any of its machines.
        play_context: Ansible's, which holds the passwords that were typed (-K, -k) and `-u`.
    """
    typed = {
        "ansible_user": play_context.remote_user,
        "ansible_password": play_context.password,
        "ansible_become_password": play_context.become_pass,
    }
    defaults = {key: str(value) for key, value in typed.items() if value}
    hostvars, names = task_vars["hostvars"], variable_names()
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
