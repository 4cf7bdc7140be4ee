"""Take uploads that come as a tar stream: `python3 -c THIS MEDIA STAGING ASIDE FILES BYTES`.

It runs as their owner. All of them arrive in STAGING first; a stream that breaks off changes
nothing in MEDIA. What is in MEDIA under the same name, and is not the same, goes to ASIDE. Imports
nothing of the kit: it is sent as text.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

# What a disk needs beside the files themselves: their last blocks, and air for the database.
PER_FILE, AIR = 4096, 2**28


def check_room(files: int, size: int, places: Iterable[Path]) -> None:
    """End where a disk has no room for so many files of so many bytes together."""
    needed = size + files * PER_FILE + AIR
    for place in places:
        free = shutil.disk_usage(place).free
        if needed > free:
            sys.exit(
                f"the disk of {place} has {free // 2**20} MiB free, and the uploads need "
                f"{needed // 2**20} MiB: give it a larger one."
            )


def receive(stream: IO[bytes], staging: Path) -> list[str]:
    """Write the files of a stream below `staging`; gives their paths in it.

    Raises:
        ValueError: a path leads out of it.
    """
    names = []
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = Path(member.name)
            if path.is_absolute() or ".." in path.parts or not member.isfile():
                raise ValueError(f"{member.name} is no file below the directory")
            content = archive.extractfile(member)
            assert content
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            with (staging / path).open("wb") as out:
                shutil.copyfileobj(content, out)
            os.utime(staging / path, (member.mtime, member.mtime))
            names.append(member.name)
    return names


def check_whole(names: list[str], staging: Path, files: int, size: int) -> None:
    """End where others have come than were to come."""
    came = sum((staging / name).stat().st_size for name in names)
    if (len(names), came) != (files, size):
        sys.exit(
            f"{len(names)} files of {came} bytes have come, and {files} of {size} were to. Did "
            "somebody write there meanwhile, or did the connection end? Run the same command again."
        )


def merge(names: list[str], media: Path, staging: Path, aside: Path) -> int:
    """Move received files into `media`; gives how many took the place of another one.

    `media` may be a disk of its own, where the others are not.
    """
    replaced = 0
    for name in names:
        target = media / name
        if is_same(staging / name, target):
            continue
        if os.path.lexists(target):
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(target, aside / name)
            replaced += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staging / name, target)
    return replaced


def is_same(new: Path, there: Path) -> bool:
    """Whether what is there is a file with the same content."""
    is_file = there.is_file() and not there.is_symlink()
    return is_file and filecmp.cmp(new, there, shallow=False)


def main() -> None:
    """Receive, merge, and say in JSON what is there now."""
    media, staging, aside = map(Path, sys.argv[1:4])
    files, size = map(int, sys.argv[4:])
    os.umask(0o022)
    check_room(files, size, (staging, media))
    names = receive(sys.stdin.buffer, staging)
    check_whole(names, staging, files, size)
    replaced = merge(names, media, staging, aside)
    size = sum((media / name).stat().st_size for name in names)
    print(json.dumps({"files": len(names), "bytes": size, "replaced": replaced}))


if __name__ == "__main__":
    main()
