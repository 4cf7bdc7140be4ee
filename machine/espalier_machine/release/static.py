"""Static files, published into a store that all releases share."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from espalier_machine.release.machine import Machine

COMPRESSED = (".gz", ".br")  # what nginx looks for beside a file


def static_files(folder: Path) -> Iterator[str]:
    """Paths of plain files under `folder`, relative to it, in a fixed order."""
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(base, name)
            if not path.is_symlink() and not name.endswith(".espalier-new"):
                yield str(path.relative_to(folder))


def plain_name(name: str) -> str:
    """The file of which `name` is a compressed form, or itself."""
    base, ending = os.path.splitext(name)
    return base if ending in COMPRESSED else name


def is_same(one: Path, other: Path) -> bool:
    """Whether both files exist and have the same content."""
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)


def link(source: Path, target: Path) -> None:
    """Have the same file at another place, by a copy on another filesystem."""
    try:
        target.hardlink_to(source)
    except OSError:  # or one without hard links
        shutil.copy2(source, target)


def differs(one: Path, other: Path) -> bool:
    """Whether both files exist and have different content."""
    return one.exists() and other.exists() and not is_same(one, other)


def publish_static(folder: Path, store: Path, replace: bool) -> int:
    """Link files of `folder` that the shared `store` lacks; returns how many.

    With `replace` also those whose content differs. Each appears by an atomic rename.
    """
    count = 0
    for name in sorted(static_files(folder)):  # a plain file before its compressed one
        source, target = folder / name, store / name
        plain = plain_name(name)
        if not replace and plain != name and differs(folder / plain, store / plain):
            continue  # it would stand beside another content, and nginx would serve it for that
        if target.exists() and not replace:
            continue
        if target.exists() and filecmp.cmp(source, target, shallow=False):
            continue
        if replace:  # nginx must not serve what was compressed of the content before
            for ending in COMPRESSED:
                target.with_name(f"{target.name}{ending}").unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.espalier-new")
        fresh.unlink(missing_ok=True)
        link(source, fresh)
        fresh.rename(target)
        count += 1
    return count


def prune_static(machine: Machine, folders: Sequence[Path]) -> int:
    """Remove the files of the shared store that none of `folders` has; returns how many."""
    count = 0
    with machine.as_user():
        for name in list(static_files(machine.static)):
            plain = plain_name(name)
            if any((folder / name).exists() or (folder / plain).exists() for folder in folders):
                continue
            (machine.static / name).unlink()
            count += 1
        for base, _, _ in os.walk(machine.static, topdown=False):
            if Path(base) != machine.static:
                with suppress(OSError):  # not empty
                    os.rmdir(base)
    return count


def add_missing(shipped: Path, folder: Path) -> int:
    """Copy the files of `shipped` that `folder` lacks; returns how many."""
    missing = [name for name in static_files(shipped) if not (folder / name).exists()]
    for name in missing:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped / name, folder / name)
    return len(missing)
