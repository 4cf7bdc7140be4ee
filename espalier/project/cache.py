"""What the control machine keeps between runs, and where: mirrors, downloads, archives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

# Where the control machine keeps mirrors, downloads and archives, unless told otherwise.
CACHE = Path("~/.cache/espalier/projects")
KEPT = 5  # archives and unpacked git trees that stay in the cache, per project
# What a run may still be sending or unpacking: another clone's runs have the same cache.
IN_USE = 3 * 3600  # seconds
IDENTITY_LENGTH = 16  # hexadecimal digits


def mirrors(cache_dir: Path) -> Path:
    """The directory of the git mirrors and of the trees unpacked from them."""
    return cache_dir / "git"


def packages(cache_dir: Path) -> Path:
    """The directory of what was downloaded from the Python index."""
    return cache_dir / "packages"


def archives(cache_dir: Path) -> Path:
    """The directory of the archives, of all projects."""
    return cache_dir / "archives"


def exports(cache_dir: Path) -> Path:
    """The directory of the requirements that were exported from lock files."""
    return cache_dir / "exports"


@contextlib.contextmanager
def hold(cache_dir: Path) -> Iterator[None]:
    """Lock the cache, made when missing and private: two runs at once must not write one mirror."""
    cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (cache_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prune(paths: Iterable[Path], keep: int = KEPT) -> None:
    """Remove all but the `keep` newest, and what somebody has touched in the last hours.

    The cache must not fill the disk.
    """
    dated, recent = [], time.time() - IN_USE
    for path in paths:
        with contextlib.suppress(OSError):
            dated.append((path.stat().st_mtime, str(path)))
    for touched, name in sorted(dated, reverse=True)[keep:]:
        if touched > recent:
            continue
        if os.path.isdir(name):
            shutil.rmtree(name, ignore_errors=True)
        else:
            Path(name).unlink(missing_ok=True)
