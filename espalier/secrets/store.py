"""Where an inventory keeps its secrets, read and written: files beside it, or its vault."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from espalier.inventory.read import Passwords
from espalier.inventory.secret_files import DIRECTORY, private_directory, read_secret
from espalier.inventory.site import SiteError
from espalier.secrets.catalog import GIVEN, NAMES, PREFIX, SECRETS, generate, key_in_use
from espalier.secrets.vault import FILE, Vault, read_vault, replace, write_vault
from espalier.secrets.vault_text import read_mapping, set_values

MADE = "secrets_made"  # in vault.yml: when each secret in it was made
FILES, VAULT, ELSEWHERE = f"{DIRECTORY}/", str(FILE), "elsewhere in the inventory"


@dataclass(frozen=True)
class Store:
    """The secrets of one inventory, as they are kept now.

    Attributes:
        inventory: its directory.
        passwords: for its vault.
        vault: what the inventory says.
        files: name -> value of what lies beside it. What it sets itself goes before these.
    """

    inventory: Path
    passwords: Passwords
    vault: Vault
    files: Mapping[str, str]

    @property
    def values(self) -> dict[str, str]:
        """Every value that is kept; of the user's own by the variable's name."""
        given = self.vault.variables.items()
        named = {name.removeprefix(PREFIX): value for name, value in given}
        kits = {name: value for name, value in named.items() if name in NAMES}
        own = {name: value for name, value in given if name.removeprefix(PREFIX) not in NAMES}
        return {name: value for name, value in {**self.files, **kits, **own}.items() if value}

    @property
    def values_in_use(self) -> dict[str, str]:
        """The value of each secret, without what is kept beside it while it is rotated."""
        values = self.values
        keys = {name: key_in_use(name, values) for name in SECRETS} | {name: name for name in GIVEN}
        kits = {name: values[key] for name, key in keys.items() if key in values}
        return kits | {name: value for name, value in values.items() if name not in NAMES}

    @property
    def _in_vault_file(self) -> dict[str, object]:
        return read_mapping(self.vault.text or "")

    def place(self, name: str) -> str:
        """Where a value is kept; "" for one that is not made yet."""
        variable = PREFIX + name if name in NAMES else name
        if variable in self.vault.variables:
            return VAULT if variable in self._in_vault_file else ELSEWHERE
        return f"{FILES}{name}" if name in self.files else ""

    def made(self, name: str) -> str:
        """The day on which a secret was made (YYYY-MM-DD); "" where nobody knows."""
        if self.place(name) == VAULT:
            dates = self._in_vault_file.get(MADE)
            return str(dates.get(name, "")) if isinstance(dates, dict) else ""
        if not self.place(name).startswith(FILES):
            return ""
        changed = (self.inventory / DIRECTORY / name).stat().st_mtime
        return datetime.date.fromtimestamp(changed).isoformat()

    def check_writable(self, name: str) -> None:
        """Raise SiteError where a value is set in a way that this program cannot change."""
        if self.place(name) == ELSEWHERE:
            raise SiteError(
                f"{PREFIX}{name} is set in the inventory, but not in {FILE}: move it there, or "
                "change it where it is.",
                2,
            )
        if self.place(name) == VAULT:
            if not self.vault.encrypted:
                raise SiteError(
                    f"{self.inventory / FILE} is not encrypted: `espalier secrets encrypt` first.",
                    2,
                )
            if self._in_vault_file[PREFIX + name] != self.vault.variables[PREFIX + name]:
                raise SiteError(
                    f"{PREFIX}{name} in {FILE} is a template: change what it is made from.", 2
                )

    def write(self, changes: Mapping[str, Mapping[str, str | None]]) -> None:
        """Write changes where the secrets are kept; those in the vault in one step.

        Args:
            changes: by secret, what changes of itself and its companions; None removes.
        """
        vault: dict[str, str | None] = {}
        for name, of_one in changes.items():
            if self.place(name) == VAULT:
                vault |= of_one
                continue
            for key, value in of_one.items():  # in this order: see `espalier.secrets.rotation`
                path = self.inventory / DIRECTORY / key
                if value is None:
                    path.unlink(missing_ok=True)
                else:
                    _write_file(path, value)
        if vault:
            self._write_vault(vault)

    def _write_vault(self, changes: Mapping[str, str | None], **made: str) -> None:
        today = datetime.date.today().isoformat()
        text = self.vault.text or "---\n"
        known = read_mapping(text).get(MADE)
        dates = dict(known) if isinstance(known, dict) else {}
        dates |= {name: today for name, value in changes.items() if value} | made
        dates = {name: day for name, day in dates.items() if changes.get(name, "") is not None}
        variables = {PREFIX + name: value for name, value in changes.items()}
        write_vault(self.inventory, self.passwords, set_values(text, {**variables, MADE: dates}))

    def _check_directory(self) -> None:
        """Refuse to make all/ beside a file of that name, which Ansible would read no longer."""
        for name in ("all", "all.yml", "all.yaml", "all.json"):
            path = self.inventory / FILE.parent.parent / name
            if path.is_file() and not (self.inventory / FILE.parent).is_dir():
                raise SiteError(
                    f"{path} is a file, which Ansible does not read beside a directory all/, where "
                    f"{FILE.name} is to lie. Make {path.parent}/all/ and move the file into it, as "
                    "main.yml; then run this again. Nothing was changed.",
                    2,
                )

    def encrypt(self) -> list[str]:
        """Move the files beside the inventory into its vault; gives the names that were moved.

        What the kit has not made yet is made too, so that whoever runs it next, such as CI, has
        nothing to make that others would not know. The files are set aside once Ansible has read
        each value back from the vault; those too that a run which was cut off has left.

        Raises:
            SiteError: it cannot be written, or reads back as something else.
        """
        self._check_directory()
        moved = {name: self.files[name] for name in NAMES if self.place(name).startswith(FILES)}
        new = {name: generate(name) for name in SECRETS if not self.place(name)}
        dates = {name: self.made(name) for name in moved}
        if moved or new or not self.vault.encrypted:
            self._write_vault(moved | new, **dates)
        after = read_store(self.inventory, self.passwords)
        if any(after.values.get(name) != value for name, value in (moved | new).items()):
            raise SiteError(
                f"{self.inventory / FILE} was written, but the inventory does not read back as it "
                f"should. The files in {DIRECTORY}/ are as they were."
            )
        kept = [name for name in self.files if after.values.get(name) == self.files[name]]
        for name in kept:
            _set_aside(self.inventory / DIRECTORY / name)
        return kept


def read_store(inventory: Path, passwords: Passwords, extra_vars: tuple[str, ...] = ()) -> Store:
    """Read where an inventory keeps its secrets; SiteError where it cannot be decrypted."""
    directory = inventory / DIRECTORY
    if directory.is_dir():  # of an earlier version, git may see it
        private_directory(directory)
    found = {name: read_secret(directory, name) for name in NAMES}
    files = {name: value for name, value in found.items() if value}
    return Store(inventory, passwords, read_vault(inventory, passwords, extra_vars), files)


def _write_file(path: Path, value: str) -> None:
    private_directory(path.parent)
    replace(path, f"{value}\n".encode())


def aside(inventory: Path) -> Path:
    """Where files are set aside whose values are in the vault; git ignores it."""
    return inventory / DIRECTORY / "moved-to-vault"


def _set_aside(path: Path) -> None:
    folder = path.parent / "moved-to-vault"
    folder.mkdir(mode=0o700, exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists():
        number += 1
        target = folder / f"{path.name}.{number}"
    os.rename(path, target)
