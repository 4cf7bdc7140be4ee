"""How Ansible reaches a machine: its connection variables, resolved by Ansible itself.

Ansible knows several names for each (`ansible_user`, `ansible_ssh_user`, `remote_user` in
ansible.cfg, ANSIBLE_REMOTE_USER); its own plugins tell which one counts. Only for processes that
run Ansible: the reading process, and plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.inventory.site import SiteError

# Canonical name: the option of Ansible's `ssh` connection plugin.
SSH_OPTIONS = {
    "ansible_host": "host",
    "ansible_port": "port",
    "ansible_user": "remote_user",
    "ansible_password": "password",
    "ansible_ssh_private_key_file": "private_key_file",
    "ansible_ssh_args": "ssh_args",
    "ansible_ssh_common_args": "ssh_common_args",
    "ansible_ssh_extra_args": "ssh_extra_args",
    "ansible_host_key_checking": "host_key_checking",
    "ansible_timeout": "timeout",
}
BECOME_PASSWORD = "ansible_become_password"


def variable_names() -> list[str]:
    """Every variable that has a say in how a machine is reached."""
    config = _config()
    names = [
        *config.get_plugin_vars("connection", "ssh"),
        *config.get_plugin_vars("become", "sudo"),
    ]
    return [*names, "ansible_become_method"]


def connection_variables(variables: Mapping[str, Any], machine: str) -> dict[str, Any]:
    """Resolve how a machine is reached.

    Args:
        variables: the machine's variables; those of `variable_names()` count, templates filled in.
        machine: its name.

    Returns:
        Canonical name -> value, without those that are not set: the keys of `SSH_OPTIONS`, and
        `ansible_become_password`. Ports are numbers, `ansible_host_key_checking` is a boolean.

    Raises:
        SiteError: root is to be reached by other means than sudo.
    """
    from ansible import constants

    config = _config()
    asked = {"inventory_hostname": machine, **variables}
    ssh = config.get_plugin_options("connection", "ssh", variables=asked)
    sudo = config.get_plugin_options("become", "sudo", variables=asked)
    method = asked.get("ansible_become_method") or constants.DEFAULT_BECOME_METHOD
    if method not in ("sudo", "ansible.builtin.sudo"):
        raise SiteError(
            f"`ansible_become_method` of {machine} is {method}. The kit becomes root by sudo only: "
            "remove the line, and allow the user sudo on that machine.",
            2,
        )
    if sudo["become_user"] not in (None, "root"):
        raise SiteError(
            f"`ansible_become_user` of {machine} is {sudo['become_user']}. The kit configures the "
            "whole machine, so it has to be root: remove the line.",
            2,
        )
    found = {name: ssh[option] for name, option in SSH_OPTIONS.items()}
    found[BECOME_PASSWORD] = sudo["become_pass"]
    return {name: _plain(value) for name, value in found.items() if value not in (None, "")}


def _plain(value: Any) -> Any:
    """A value without Ansible's tags, decrypted where it comes from a vault."""
    return value if isinstance(value, bool | int) else str(value)


def _config() -> Any:
    """Ansible's configuration, with the definitions of both plugins."""
    from ansible import constants
    from ansible.plugins.loader import become_loader, connection_loader

    connection_loader.get("ssh", class_only=True)
    become_loader.get("sudo", class_only=True)
    return constants.config
