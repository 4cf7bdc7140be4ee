"""What a snapshot, or the disk, has at each path below the directory of uploads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import Snapshot, nanoseconds

# At the top, and no upload: what is on its way to or from another machine, what is of the disk
# itself, and what a restore has made.
PASSING = (".receiving", ".incoming", ".taken", "lost+found")
OWN = ".espalier-"
# What restic writes in JSON for a byte that is no UTF-8: the name is not what is on the disk.
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
FILE, DIRECTORY, LINK = "file", "dir", "symlink"
# Of Go's file modes, those that a directory or a file may have.
_BITS = {1 << 23: stat.S_ISUID, 1 << 22: stat.S_ISGID, 1 << 20: stat.S_ISVTX}


class Entry(NamedTuple):
    """What is at a path: its kind, size in bytes, time (ns since 1970), mode and owner."""

    kind: str
    size: int
    mtime: int
    mode: int
    uid: int
    gid: int


class Listing(NamedTuple):
    """The content of a directory of uploads.

    Attributes:
        top: the directory itself; None where it is not there.
        entries: by path below it.
        unreadable: how many names are no UTF-8, and so in no row of a database.
    """

    top: Entry | None
    entries: dict[str, Entry]
    unreadable: int = 0


def is_upload(path: str) -> bool:
    """Whether a path below the directory is an upload."""
    top = path.split("/", 1)[0]
    return top not in PASSING and not top.startswith(OWN)


def of_snapshot(restic: Restic, snapshot: Snapshot) -> Listing:
    """What a snapshot has."""
    return parse(restic.lines("ls", snapshot.id), snapshot.root)


def parse(nodes: Iterable[Mapping[str, Any]], root: str) -> Listing:
    """Read what `restic ls --json` answers, of what is below a directory."""
    top, entries, unreadable = None, {}, 0
    for path, entry in _below(nodes, root):
        if not path:
            top = entry
        elif UNREADABLE in path:
            unreadable += 1
        else:
            entries[path] = entry
    return Listing(top, entries, unreadable)


def uploads(nodes: Iterable[Mapping[str, Any]], root: str) -> Iterator[tuple[str, Entry]]:
    """What `parse` has in its entries, one by one: there may be more than memory takes."""
    for path, entry in _below(nodes, root):
        if path and UNREADABLE not in path:
            yield path, entry


def _below(nodes: Iterable[Mapping[str, Any]], root: str) -> Iterator[tuple[str, Entry]]:
    """A directory itself, as "", and the uploads below it."""
    for node in nodes:
        if node.get("struct_type") != "node" or node["type"] not in (FILE, DIRECTORY, LINK):
            continue
        path = node["path"]
        if path == root:
            yield "", _entry(node)
        elif path.startswith(f"{root}/") and is_upload(below := path[len(root) + 1 :]):
            yield below, _entry(node)


def _entry(node: Mapping[str, Any]) -> Entry:
    bits = sum(bit for go, bit in _BITS.items() if node["mode"] & go)
    mode = node["mode"] & 0o777 | bits
    size = node.get("size", 0)
    time = nanoseconds(node["mtime"])
    return Entry(node["type"], size, time, mode, node["uid"], node["gid"])


def of_disk(directory: Path) -> Listing:
    """What is on the disk now."""
    if not directory.is_dir():
        return Listing(None, {})
    return Listing(of_stat(directory.stat()), dict(_walk(str(directory), "")))


def _walk(directory: str, prefix: str) -> Iterator[tuple[str, Entry]]:
    try:
        with os.scandir(directory) as found:
            names = list(found)
    except FileNotFoundError:  # deleted meanwhile
        return
    for one in names:
        path = prefix + one.name
        try:
            entry = of_stat(one.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue
        if entry and is_upload(path):
            yield path, entry
            if entry.kind == DIRECTORY:
                yield from _walk(one.path, f"{path}/")


def of_stat(found: os.stat_result) -> Entry | None:
    """What `stat` says; None for what is no file, directory or symlink."""
    kinds = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: LINK}
    kind = kinds.get(stat.S_IFMT(found.st_mode))
    if not kind:
        return None
    size = found.st_size if kind == FILE else 0
    mode = stat.S_IMODE(found.st_mode)
    return Entry(kind, size, found.st_mtime_ns, mode, found.st_uid, found.st_gid)
