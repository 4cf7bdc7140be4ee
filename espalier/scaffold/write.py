"""Write a new environment; what is there already is never touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from espalier.inventory.site import SiteError
from espalier.scaffold.files import HOSTS, IGNORED, PROJECT, TOPOLOGY

# Each of them may have been written with the longer ending.
WITH_OTHER_ENDING = {HOSTS: "hosts.yaml", TOPOLOGY: "topology.yaml"}


def present(directory: Path) -> set[str]:
    """Which files of an environment are there, by their usual names.

    Raises:
        SiteError: all are: it is an environment already.
    """
    found = {
        name
        for name in (HOSTS, TOPOLOGY, PROJECT)
        for one in (name, WITH_OTHER_ENDING.get(name, name))
        if (directory / one).exists()
    }
    if len(found) == 3:
        raise SiteError(
            f"{directory.parent.name}/{directory.name} is an environment already, and nothing in "
            f"it was changed. Edit its files, or choose another name: `espalier init NAME`. "
            f"`espalier check -e {directory.name}` says whether it is ready.",
            2,
        )
    return found


def write(directory: Path, contents: Mapping[str, str]) -> list[str]:
    """Write files that are not there yet; gives their paths below the project's root.

    `deploy/.gitignore` is among them.

    Args:
        directory: `deploy/<name>` in the project's root.
        contents: path in the directory -> text.
    """
    before = present(directory)
    root = directory.parent.parent
    wanted = {directory / name: text for name, text in contents.items() if name not in before}
    made = []
    for path, text in {directory.parent / ".gitignore": IGNORED, **wanted}.items():
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: what is there is not written again, so no half of it may be.
        unfinished = path.with_name(f".{path.name}.new")
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
        made.append(path.relative_to(root).as_posix())
    return made
