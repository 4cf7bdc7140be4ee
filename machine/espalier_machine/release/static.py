"""Static files: compressed once, published into a store that all releases share."""

from __future__ import annotations

import filecmp
import gzip
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from espalier_machine.release.machine import Machine

COMPRESSIBLE = {".css", ".js", ".svg", ".json", ".map", ".txt", ".xml", ".html"}
COMPRESSIBLE |= {".ico", ".ttf", ".wasm"}
COMPRESS_ABOVE = 1000  # bytes; below, the gzip header and a second file cost more than they save


def static_files(folder: Path) -> Iterator[str]:
    """Paths of plain files under `folder`, relative to it, in a fixed order."""
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(base, name)
            if not path.is_symlink() and not name.endswith(".espalier-new"):
                yield str(path.relative_to(folder))


def compress_static(folder: Path) -> int:
    """Make files readable by nginx, and write a .gz beside those that shrink; returns how many."""
    count = 0
    folder.chmod(0o755)
    for path in [folder / name for name in static_files(folder)]:
        path.chmod(0o644)
        path.parent.chmod(0o755)
        sibling = path.with_name(path.name + ".gz")
        if path.suffix.lower() not in COMPRESSIBLE or sibling.exists():
            continue
        stat = path.stat()
        if stat.st_size <= COMPRESS_ABOVE:
            continue
        content = gzip.compress(path.read_bytes(), 9, mtime=0)
        if len(content) < stat.st_size:
            sibling.write_bytes(content)
            sibling.chmod(0o644)
            os.utime(sibling, ns=(stat.st_mtime_ns, stat.st_mtime_ns))  # nginx answers with it
            count += 1
    return count


def differs(one: Path, other: Path) -> bool:
    """Whether both files exist and have different content."""
    return one.exists() and other.exists() and not filecmp.cmp(one, other, shallow=False)


def publish_static(folder: Path, store: Path, replace: bool) -> int:
    """Link files of `folder` that the shared `store` lacks; returns how many.

    With `replace` also those whose content differs. Each appears by an atomic rename.
    """
    count = 0
    for name in sorted(static_files(folder)):  # a plain file before its compressed one
        source, target = folder / name, store / name
        plain = name.removesuffix(".gz")
        if not replace and plain != name and differs(folder / plain, store / plain):
            continue  # it would stand beside another content, and nginx would serve it for that
        if target.exists() and not replace:
            continue
        if target.exists() and filecmp.cmp(source, target, shallow=False):
            continue
        if replace:  # nginx must not serve what was compressed of the content before
            target.with_name(f"{target.name}.gz").unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.espalier-new")
        fresh.unlink(missing_ok=True)
        try:
            fresh.hardlink_to(source)
        except OSError:  # another filesystem, or one without hard links
            shutil.copy2(source, fresh)
        fresh.rename(target)
        count += 1
    return count


def prune_static(machine: Machine, folders: Sequence[Path]) -> int:
    """Remove the files of the shared store that none of `folders` has; returns how many."""
    count = 0
    with machine.as_user():
        for name in list(static_files(machine.static)):
            plain = name.removesuffix(".gz")
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
