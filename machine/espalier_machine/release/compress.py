"""Static files are compressed once, at their release; nginx sends the form that a browser takes."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from espalier_machine.release.static import COMPRESSED, is_same, link, static_files

COMPRESSIBLE = {".css", ".js", ".svg", ".json", ".map", ".txt", ".xml", ".html"}
COMPRESSIBLE |= {".ico", ".ttf", ".wasm"}
COMPRESS_ABOVE = 1000  # bytes; below, the gzip header and a second file cost more than they save
# Debian's program. The best quality, 11, takes 17 times as long as this, for a tenth less.
BROTLI = ("brotli", "--quality=9", "--keep", "--")
BROTLI_FILES = 200  # for one process


def compress_static(folder: Path, store: Path) -> list[Path]:
    """Make files readable by nginx, and write a .gz beside those that shrink.

    What `store` has compressed of the same content already is taken from there. Returns the files
    that brotli is still to compress.
    """
    folder.chmod(0o755)
    left = []
    for name in list(static_files(folder)):
        path = folder / name
        path.chmod(0o644)
        path.parent.chmod(0o755)
        if path.suffix.lower() not in COMPRESSIBLE or path.stat().st_size <= COMPRESS_ABOVE:
            continue
        known = is_same(path, store / name)
        for ending in COMPRESSED:
            sibling = path.with_name(f"{path.name}{ending}")
            stored = store / f"{name}{ending}"
            if sibling.exists():
                continue
            if known and stored.exists():
                link(stored, sibling)
            elif ending == ".gz":
                sibling.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
                _keep_if_smaller(sibling, path)
            else:
                left.append(path)
    return left


def brotli_commands(paths: Sequence[Path]) -> Iterator[list[str]]:
    """The commands that write a .br beside each file; none where the machine lacks the program."""
    if shutil.which(BROTLI[0]):
        for start in range(0, len(paths), BROTLI_FILES):
            yield [*BROTLI, *map(str, paths[start : start + BROTLI_FILES])]


def drop_larger(paths: Sequence[Path]) -> None:
    """Remove the .br of those files that did not shrink."""
    for path in paths:
        sibling = path.with_name(f"{path.name}.br")
        if sibling.exists():
            _keep_if_smaller(sibling, path)


def _keep_if_smaller(sibling: Path, path: Path) -> None:
    stat = path.stat()
    if sibling.stat().st_size >= stat.st_size:
        sibling.unlink()
        return
    sibling.chmod(0o644)
    os.utime(sibling, ns=(stat.st_mtime_ns, stat.st_mtime_ns))  # nginx answers with it
