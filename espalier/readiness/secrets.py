"""Whether the secrets of a site are here: a run that lacks them would make others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from espalier.inventory.read import Passwords
from espalier.inventory.secret_files import DIRECTORY, is_seen_by_git
from espalier.readiness.findings import Finding, failed, note, ok

CHECK = "secrets"


def are_here(inventory: Path) -> bool:
    """Whether there are files of secrets beside an inventory."""
    folder = inventory / DIRECTORY
    return folder.is_dir() and any(one.name != ".gitignore" for one in folder.iterdir())


def finding(here: bool, in_vault: bool, is_made: bool) -> Finding:
    """Where the secrets of a site are.

    Args:
        here: in files beside the inventory, before anything was run.
        in_vault: in a variable of the inventory.
        is_made: a machine runs the site already.
    """
    if in_vault:
        return ok(CHECK, "in ansible-vault")
    if here:
        return ok(CHECK, f"in {DIRECTORY}/, on this computer alone")
    if is_made:
        return failed(
            CHECK,
            "the site is made, and its secrets are not here: a run would replace its passwords. "
            f"Copy {DIRECTORY}/ from who has it to beside hosts.yml, or have `espalier secrets "
            "encrypt` move them into git there",
        )
    return ok(CHECK, f"none yet: the first run makes them in {DIRECTORY}/")


def in_git(inventory: Path, passwords: Passwords) -> Iterator[Finding]:
    """What git has, or would add with the next `git add .`, and must not have.

    Args:
        inventory: whose files of secrets are looked for.
        passwords: where those of its vault are. A program that prints one may well be in git.
    """
    directory = inventory / DIRECTORY
    if directory.is_dir() and is_seen_by_git(directory):
        yield note(
            CHECK,
            f"git has files of {directory}: `git rm -r --cached {directory}` takes them out of the "
            "next commit, and `espalier secrets rotate all` makes others, as its history keeps "
            "these",
        )
    named = [*passwords.vault_password_files, *passwords.vault_ids]
    named.append(os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE", ""))
    named += os.environ.get("ANSIBLE_VAULT_IDENTITY_LIST", "").split(",")
    files = {Path(one.rpartition("@")[2].strip()).expanduser() for one in named if one}
    for file in sorted(files):
        if file.is_file() and not os.access(file, os.X_OK) and is_seen_by_git(file):
            yield note(
                CHECK,
                f"git has {file}, the vault's password, or would add it: move it out of the "
                "repository, or write it into .gitignore",
            )
