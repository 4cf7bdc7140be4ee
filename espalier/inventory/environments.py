"""Which inventory a command is for: that of an environment (`-e NAME`), or any other (`-i PATH`).

A project has its environments in `deploy/<name>/`; the kit's own clone in `inventories/<name>/`.
They are looked for in the current directory and in those above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from espalier import paths
from espalier.inventory.site import TOPOLOGY_FILES, SiteError

FOLDERS = ("deploy", "inventories")
LAB = "lab"  # the local machine of `espalier up`
EXAMPLE = "example"  # in the kit's clone: to be copied, not to be run


def is_inventory(directory: Path) -> bool:
    """Whether a directory is an inventory of this kit."""
    return any((directory / name).is_file() for name in TOPOLOGY_FILES)


def environments(start: Path) -> dict[str, Path]:
    """The environments of the project that a directory belongs to: name -> inventory.

    Of the nearest directory, from `start` upwards, that has any. The lab is none of them.
    """
    for root in (start, *start.parents):
        found = {
            inventory.name: inventory
            for folder in reversed(FOLDERS)
            for inventory in sorted((root / folder).glob("*/"))
            if is_inventory(inventory) and inventory.name not in (LAB, EXAMPLE)
        }
        if found:
            return found
    return {}


def select(
    name: str,
    start: Path,
    ask: Callable[[Sequence[str]], str] | None = None,
    lab: Path = paths.LAB,
) -> Path:
    """The inventory of an environment.

    Args:
        name: what `-e` says; "" for the only one.
        start: the current directory.
        ask: asks for one of several names; None without a terminal.
        lab: the lab's inventory.

    Raises:
        SiteError: there is no such environment, none at all, or several and nobody to ask.
    """
    found = environments(start)
    if name == LAB or (not name and not found):
        if is_inventory(lab):
            return lab
        raise SiteError(
            "There is no lab yet: `espalier up` makes it."
            if name
            else "There is no environment here: neither this directory nor one above it has a "
            "deploy/<name>/ with hosts.yml and topology.yml. `espalier init` makes one, and "
            "`espalier up` a local machine to try the project on; or name an inventory: -i PATH.",
            2,
        )
    if not name:
        if len(found) > 1 and ask is None:
            raise SiteError(
                f"There are several environments: {', '.join(found)}. Say which: "
                f"-e {next(iter(found))}.",
                2,
            )
        name = ask(list(found)) if ask and len(found) > 1 else next(iter(found))
    if name not in found:
        known = ", ".join([*found, LAB])
        raise SiteError(f"There is no environment {name} here; there are: {known}.", 2)
    return found[name]


def project_root(inventory: Path) -> Path:
    """What relative paths in an inventory's project.yml are relative to.

    The directory that has `deploy/` or `inventories/`; for another inventory inside of the kit's
    clone, the clone; for any other, the inventory itself.
    """
    inventory = inventory.resolve()
    if inventory.parent.name in FOLDERS:
        return inventory.parent.parent
    if paths.IS_CLONE and inventory.is_relative_to(paths.KIT):
        return paths.KIT
    return inventory
