"""Whether the secrets of a site are here: a run that lacks them would make others."""

from __future__ import annotations

from pathlib import Path

from espalier.inventory.secret_files import DIRECTORY
from espalier.readiness.findings import Finding, failed, ok

CHECK = "secrets"


def are_here(inventory: Path) -> bool:
    """Whether there are files of secrets beside an inventory."""
    folder = inventory / DIRECTORY
    return folder.is_dir() and any(folder.iterdir())


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
