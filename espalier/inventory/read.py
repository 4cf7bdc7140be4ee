"""Read an inventory as the playbooks do: in a process of its own, with Ansible's own code.

Ansible changes Python's sockets, and so does gevent, on which pyinfra stands: the two cannot share
a process. `read` starts the other one, `python -m espalier.inventory.read`; what a person asked
for and was asked goes there through its stdin, and the site comes back through its stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from espalier import paths
from espalier.inventory.site import TOPOLOGY_FILES, Site, SiteError

# Ansible's words, somewhere between warnings: what to write instead.
VAULT_ERRORS = {
    "no vault secrets found": "needs the password of ansible-vault. Add --vault-password-file "
    "FILE or --ask-vault-pass; or set, in the environment, ANSIBLE_VAULT_PASSWORD_FILE or "
    "ESPALIER_VAULT_PASSWORD, which is the password itself.",
    "no vault secrets were found that could decrypt": "cannot be decrypted: the password of "
    "ansible-vault that was given is another one.",
}

# Of the keys that are no role's, those of which the control machine asks. The last two are the same
# for all machines.
SETTINGS = ("firewall", "ssh", "audit", "insight", "prices")


@dataclass(frozen=True)
class Passwords:
    """Passwords that a person typed, and where others are; as `ansible-playbook` takes them.

    Attributes:
        vault: typed passwords of ansible-vault, by the label of their vault id.
        vault_ids: `LABEL@FILE`, for the option --vault-id.
        vault_password_files: files, or programs that print it.
        become: the typed password for sudo, for machines that have none of their own.
        become_file: a file with that password, or a program that prints it.
        connection: the typed password for SSH, for machines that have none of their own.
        connection_file: a file with that password, or a program that prints it.
    """

    vault: Mapping[str, str] = field(default_factory=dict, repr=False)
    vault_ids: tuple[str, ...] = ()
    vault_password_files: tuple[str, ...] = ()
    become: str = field(default="", repr=False)
    become_file: str = ""
    connection: str = field(default="", repr=False)
    connection_file: str = ""


def read(
    inventory: Path,
    *,
    name_of: Callable[[Mapping[str, Any]], str],
    passwords: Passwords | None = None,
    extra_vars: tuple[str, ...] = (),
    settings: bool = False,
) -> Site:
    """Read the site that an inventory describes.

    Args:
        inventory: its directory, with a `topology.yml`.
        name_of: checks the project (the variable `project`) and gives its name.
        passwords: for what is encrypted, for sudo and for SSH.
        extra_vars: as `ansible-playbook -e` takes them: `NAME=VALUE`, JSON, or `@FILE`.
        settings: whether `Site.settings` is wanted.

    Raises:
        SiteError: there is none, it is refused (the sentence is the topology's), or it cannot be
            decrypted. And whatever `name_of` raises.
    """
    if not any((inventory / name).exists() for name in TOPOLOGY_FILES):
        raise SiteError(f"{inventory} is no inventory of this kit: it has no topology.yml.", 2)
    order = {
        "inventory": str(inventory),
        "passwords": asdict(passwords or Passwords()),
        "extra_vars": extra_vars,
        "settings": settings,
    }
    values = ask_ansible("espalier.inventory.read", inventory, order)
    return Site(inventory=inventory, name=name_of(values["project"]), **values)


def ask_ansible(module: str, inventory: Path, order: Mapping[str, Any]) -> dict[str, Any]:
    """Have a module of ours do something with Ansible's code, in a process of its own.

    Args:
        module: reads the order from stdin, and writes its answer to stdout, both as JSON.
        inventory: what it is about.
        order: what is asked for, passwords among it.

    Raises:
        SiteError: it failed, with the sentence for what it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", module],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        env={"ANSIBLE_CONFIG": str(paths.ANSIBLE_CONFIG), **os.environ},
    )
    errors = done.stderr.strip()
    if done.returncode == 0:
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
    for words, sentence in VAULT_ERRORS.items():
        if words in errors:
            raise SiteError(f"{inventory} {sentence}", 2)
    raise SiteError(errors, 2)


# -- the reading process -------------------------------------------------------------------------


def site_values(order: Mapping[str, Any]) -> dict[str, Any]:
    """Read an inventory; gives the fields of a `Site` that come from it, as plain data."""
    from ansible import context
    from ansible.inventory.manager import InventoryManager
    from ansible.module_utils.common.collections import ImmutableDict
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    from espalier.inventory.connection import connection_variables, variable_names

    init_plugin_loader()
    context.CLIARGS = ImmutableDict(extra_vars=tuple(order["extra_vars"]))
    passwords = Passwords(**order["passwords"])
    loader = DataLoader()
    open_vaults(loader, passwords)
    inventory = InventoryManager(loader, sources=[order["inventory"]])
    loader.set_basedir(str(paths.PLAYBOOKS))  # whose group_vars are the wiring
    manager = VariableManager(loader, inventory)
    found = {host.name: manager.get_vars(host=host) for host in inventory.get_hosts()}
    defaults = _typed_passwords(passwords)
    connections, settings = {}, {}
    names = variable_names()
    for machine, variables in found.items():
        templar = Templar(loader, variables=variables)
        values = {name: templar.template(variables[name]) for name in names if name in variables}
        connections[machine] = {**defaults, **connection_variables(values, machine)}
        if order["settings"]:
            settings[machine] = {
                key: templar.template(_without_people(variables[key]))
                for key in SETTINGS
                if key in variables
            }
    first = next(iter(found.values()))
    templar = Templar(loader, variables=first)
    return {
        "topology": first["topology"],
        "project": templar.template(first.get("project") or {}),
        "requirements": templar.template(first["kit_requirements"]),
        "variables": connections,
        "settings": settings,
    }


def _without_people(value: Any) -> Any:
    """A setting without `users` of `ssh`: their keys may be in files that a run alone finds."""
    if not isinstance(value, Mapping):
        return value
    return {key: one for key, one in value.items() if key != "users"}


def open_vaults(loader: Any, passwords: Passwords) -> list[tuple[str, Any]]:
    """Give the loader every secret, as `ansible-playbook` does: configured ones come first.

    Returns them with their vault ids.
    """
    from ansible import constants
    from ansible.cli import CLI
    from ansible.parsing.vault import VaultSecret, VaultSecretsContext

    typed = [(label, VaultSecret(word.encode())) for label, word in passwords.vault.items()]
    stored = CLI.setup_vault_secrets(
        loader,
        vault_ids=[*constants.DEFAULT_VAULT_IDENTITY_LIST, *passwords.vault_ids],
        vault_password_files=list(passwords.vault_password_files),
        auto_prompt=False,
        initialize_context=False,
    )
    secrets = [*stored, *typed]
    loader.set_vault_secrets(secrets)  # for files
    VaultSecretsContext.initialize(VaultSecretsContext(secrets=secrets))  # for inline values
    return secrets


def _typed_passwords(passwords: Passwords) -> dict[str, str]:
    """The passwords for machines that have none of their own, as connection variables."""
    from ansible import constants
    from ansible.cli import CLI

    become_file = passwords.become_file or constants.BECOME_PASSWORD_FILE
    connection_file = passwords.connection_file or constants.CONNECTION_PASSWORD_FILE
    found = {"ansible_become_password": passwords.become, "ansible_password": passwords.connection}
    if not passwords.become and become_file:
        found["ansible_become_password"] = CLI.get_password_from_file(become_file)
    if not passwords.connection and connection_file:
        found["ansible_password"] = CLI.get_password_from_file(connection_file)
    return {name: word for name, word in found.items() if word}


def main() -> None:
    """Read the order from stdin, write the site to stdout."""
    try:
        order = json.load(sys.stdin)
        print(json.dumps(site_values(order), default=str))
    except Exception as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
