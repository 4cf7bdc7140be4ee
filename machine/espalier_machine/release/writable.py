"""Directories of the project's tree that the project writes to: the site's, in every release.

Each is a symlink to a directory below `data` of the project. What a release ships there stays in
its `shipped`, and what the site's directory lacks of that is copied; nothing there is changed.
"""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release
from espalier_machine.release.static import add_missing, static_files


def link_writable(machine: Machine, build: Mapping[str, Any], tree: Path) -> None:
    """Put the site's directories in the place of those that the archive unpacked at `tree` has."""
    for path in build.get("writable", []):
        kept, shipped, place = machine.data / path, tree / "shipped" / path, tree / "code" / path
        with machine.as_user():
            kept.mkdir(parents=True, exist_ok=True)
            shipped.parent.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir():
                place.rename(shipped)
                count = add_missing(shipped, kept)
                others = differing(shipped, kept)
                if count:
                    machine.progress.note(f"{path}: {count} files that the release ships are new")
                if others:
                    names = ", ".join(others[:3]) + (" …" if others[3:] else "")
                    machine.progress.note(f"{path}: kept as on this machine: {names}")
            place.symlink_to(kept)


def sqlite_files(release: Release, found: Mapping[str, Any]) -> list[str]:
    """The SQLite files of the settings that lie in the release itself, relative to its code."""
    code = release.path.resolve() / "code"
    places = [Path(name).resolve() for name in found.get("sqlite", [])]
    return [str(place.relative_to(code)) for place in places if place.is_relative_to(code)]


def differing(shipped: Path, kept: Path) -> list[str]:
    """The files of `shipped` whose content is another one in `kept`."""
    return [
        name
        for name in static_files(shipped)
        if (kept / name).is_file() and not filecmp.cmp(shipped / name, kept / name, shallow=False)
    ]
