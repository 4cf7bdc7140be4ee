"""The inventory's vault, read and written with Ansible's own code, in a process of its own.

As with `espalier.inventory.read`, passwords and secrets go there through its stdin, and come back
through its stdout; they are in no argument.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from espalier.inventory.read import Passwords, ask_ansible
from espalier.secrets.catalog import PREFIX

FILE = Path("group_vars/all/vault.yml")  # below the inventory


@dataclass(frozen=True)
class Vault:
    """What an inventory says of secrets.

    Attributes:
        text: of its vault.yml, decrypted; None where there is none.
        encrypted: whether that file is, as a whole.
        password_known: whether there is a password to encrypt it with.
        variables: `vault_…` -> its value, wherever the inventory sets it.
    """

    text: str | None = field(repr=False)
    encrypted: bool
    password_known: bool
    variables: Mapping[str, str] = field(repr=False)


def read_vault(inventory: Path, passwords: Passwords, extra_vars: tuple[str, ...]) -> Vault:
    """Read what an inventory says of secrets; SiteError where it cannot be decrypted."""
    return Vault(**_ask("read", inventory, passwords, extra_vars=extra_vars))


def write_vault(inventory: Path, passwords: Passwords, text: str) -> None:
    """Replace the inventory's vault.yml in one step, encrypted with the password that it has.

    Where it is new, or not encrypted yet, with the first that is known.
    """
    _ask("write", inventory, passwords, text=text)


def _ask(action: str, inventory: Path, passwords: Passwords, **more: Any) -> dict[str, Any]:
    order = {"action": action, "inventory": str(inventory), "passwords": asdict(passwords), **more}
    return ask_ansible("espalier.secrets.vault", inventory, order)


# -- the other process ---------------------------------------------------------------------------


def _read(order: Mapping[str, Any]) -> dict[str, Any]:
    from ansible import context
    from ansible.inventory.manager import InventoryManager
    from ansible.module_utils.common.collections import ImmutableDict
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import VaultLib, is_encrypted
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    from espalier.inventory.read import open_vaults

    init_plugin_loader()
    context.CLIARGS = ImmutableDict(extra_vars=tuple(order["extra_vars"]))
    loader = DataLoader()
    known = open_vaults(loader, Passwords(**order["passwords"]))
    inventory = InventoryManager(loader, sources=[order["inventory"]])
    manager = VariableManager(loader, inventory)
    variables: dict[str, str] = {}
    for host in inventory.get_hosts():
        found = manager.get_vars(host=host)
        templar = Templar(loader, variables=found)
        for name in found:
            if name.startswith(PREFIX) and name not in variables:
                variables[name] = str(templar.template(found[name]))
    path = Path(order["inventory"]) / FILE
    content = path.read_bytes() if path.exists() else None
    encrypted = content is not None and is_encrypted(content)
    if content is not None and encrypted:
        content = VaultLib(known).decrypt(content)
    return {
        "text": None if content is None else bytes(content).decode(),
        "encrypted": encrypted,
        "password_known": bool(known),
        "variables": variables,
    }


def _write(order: Mapping[str, Any]) -> dict[str, Any]:
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import VaultLib, is_encrypted

    from espalier.inventory.read import open_vaults

    known = open_vaults(DataLoader(), Passwords(**order["passwords"]))
    path = Path(order["inventory"]) / FILE
    vault = VaultLib(known)
    label, secret = known[0]
    if path.exists() and is_encrypted(before := path.read_bytes()):
        _, label, secret = vault.decrypt_and_get_vault_id(before)
    content = vault.encrypt(order["text"].encode(), secret, None if label == "default" else label)
    if bytes(vault.decrypt(content)).decode() != order["text"]:
        raise ValueError(f"{path} cannot be read back after it was encrypted; it is as it was.")
    replace(path, content, path.stat().st_mode & 0o777 if path.exists() else 0o600)
    return {}


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file in one step, safe on the disk; a directory that is missing is made.

    A link stays one: some share their secrets between environments.
    """
    path = path.resolve()
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.new")
    staged.unlink(missing_ok=True)
    with open(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    staged.replace(path)


def main() -> None:
    """Read the order from stdin, write the answer to stdout."""
    try:
        order = json.load(sys.stdin)
        print(json.dumps({"read": _read, "write": _write}[order["action"]](order)))
    except Exception as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
