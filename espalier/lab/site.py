"""The inventory of `espalier up`: which project its machine is for, and how large the machine is.

In the kit's clone it is inventories/lab, in an installed kit a copy of that beside the kit's other
state. What a person asked for stands in files of its own in it, which git ignores, and which stay
as they are until the next `espalier up` or `espalier down`: so `-e lab` means the same project for
every command.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from espalier import paths

KIT_FILES = ("hosts.yml", "topology.yml")
MACHINE = "vps1"
HEADER = "---\n# Written by `espalier up`, removed by `espalier down`.\n"


def prepare(
    project: Mapping[str, Any] | None, memory_mb: int | None, inventory: Path = paths.LAB
) -> Path:
    """Write down which project the lab is for.

    Args:
        project: the mapping `project`; None for what the inventory itself says, the example.
        memory_mb: the machine's memory in MiB; None for what it has, or what hosts.yml says.
        inventory: the lab's.

    Returns:
        The inventory.
    """
    if _is_copy(inventory):
        inventory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in KIT_FILES:
            shutil.copy(paths.INVENTORIES / "lab" / name, inventory / name)
    _write(_project_file(inventory), None if project is None else {"project": dict(project)})
    if memory_mb is not None:
        _write(_machine_file(inventory), {"memory_mb": memory_mb})
    return inventory


def reset(inventory: Path = paths.LAB) -> None:
    """Forget what `prepare` wrote down; a copy of the kit's inventory is none after it."""
    copies = [inventory / name for name in reversed(KIT_FILES)] if _is_copy(inventory) else []
    for file in (_project_file(inventory), _machine_file(inventory), *copies):
        file.unlink(missing_ok=True)


def _is_copy(inventory: Path) -> bool:
    return inventory.parent != paths.INVENTORIES


def _project_file(inventory: Path) -> Path:
    return inventory / "group_vars" / "all" / "up.yml"  # read after project.yml, so it wins


def _machine_file(inventory: Path) -> Path:
    return inventory / "host_vars" / f"{MACHINE}.yml"


def _write(file: Path, values: Mapping[str, Any] | None) -> None:
    """Write variables into a file that only its owner reads; None for no file."""
    if values is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(HEADER + yaml.safe_dump(dict(values), sort_keys=False))
