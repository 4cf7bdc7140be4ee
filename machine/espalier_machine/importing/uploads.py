"""Take uploads that come as a tar stream: `python3 -c THIS MEDIA STAGING ASIDE`, as their owner.

All of them arrive in STAGING first; a stream that breaks off changes nothing in MEDIA. What is in
MEDIA under the same name goes to ASIDE. Imports nothing of the kit: it is sent as text.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import IO


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


def merge(names: list[str], media: Path, staging: Path, aside: Path) -> int:
    """Move received files into `media`; gives how many took the place of another one.

    `media` may be a disk of its own, where the others are not.
    """
    replaced = 0
    for name in names:
        target = media / name
        if os.path.lexists(target):
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(target, aside / name)
            replaced += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staging / name, target)
    return replaced


def main() -> None:
    """Receive, merge, and say in JSON what is there now."""
    media, staging, aside = map(Path, sys.argv[1:])
    os.umask(0o022)
    names = receive(sys.stdin.buffer, staging)
    replaced = merge(names, media, staging, aside)
    size = sum((media / name).stat().st_size for name in names)
    print(json.dumps({"files": len(names), "bytes": size, "replaced": replaced}))


if __name__ == "__main__":
    main()
