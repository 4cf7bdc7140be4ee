"""Uploads to the machine that has the site's: from a directory here, or from another machine."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from espalier import paths
from espalier.arriving.job import chunks
from espalier.arriving.primary import Primary
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier.wiring.directories import project_directories
from espalier_machine.common import plain_tar

# Sent as text, as it runs as the project's user, who may read nothing of ours.
RECEIVER = paths.MACHINE / "espalier_machine/importing/uploads.py"
COUNT = 'find "$1" -type f -not -path "*/.*" 2>/dev/null | wc -l'
# Staging and aside are the user's, in a directory that is not.
RECEIVE = """
set -e
trap 'rm -rf "$3"; rmdir "$4" 2>/dev/null || true' EXIT
install -d -o "$1" -g "$1" -m 755 "$3" "$4"
runuser -u "$1" -- python3 -I -S -c "$5" "$2" "$3" "$4" "$6" "$7"
"""


@dataclass(frozen=True)
class Uploads:
    """Files that are to become a site's uploads.

    Attributes:
        files: how many.
        size: their bytes.
        skipped: how many symlinks and the like were left out.
        read: yields them as a tar stream, once; raises SiteError where that breaks off.
    """

    files: int
    size: int
    skipped: int
    read: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Received:
    """What the machine has of them afterwards; `aside` is where replaced ones are, or ""."""

    machine: str
    files: int
    size: int
    aside: str


def find_uploads(directory: Path) -> Uploads:
    """List the regular files below a directory; links and the like are skipped, and counted.

    Raises:
        SiteError: there is no such directory.
    """
    if not directory.is_dir():
        raise SiteError(f"{directory}, which --media names, is no directory.", 2)
    names, size, skipped = [], 0, 0
    for folder, folders, files in os.walk(directory):
        skipped += sum(Path(folder, name).is_symlink() for name in folders)  # not followed
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                names.append(path.relative_to(directory).as_posix())
                size += path.stat().st_size
            else:
                skipped += 1
    return Uploads(len(names), size, skipped, lambda: _tar(directory, names))


def uploads_machine(site: Site) -> str:
    """The machine that has the site's uploads: the first that takes traffic.

    Raises:
        SiteError: an object store has them.
    """
    if site.project.get("media_s3"):
        raise SiteError(
            "The uploads of this site are in an object store (`media_s3` in project.yml). Copy "
            "them there with its own program, such as `aws s3 sync DIR s3://BUCKET`, and leave "
            "--media out.",
            2,
        )
    return site.machines("nginx")[0]


def count_there(remote: Remote, site: Site, machine: str) -> int:
    """How many uploads the site has already."""
    media = project_directories(site.name)["media"]
    status, out, errors = remote.run(machine, ["sh", "-c", COUNT, "sh", media])
    if status:
        raise SiteError(f"{machine}: {explain(errors)}", 1, errors)
    return int(out)


def send(remote: Remote, site: Site, machine: str, uploads: Uploads, stamp: str) -> Received:
    """Send uploads, whole or not at all.

    Args:
        remote: how machines are reached.
        site: whose uploads they become.
        machine: that has them.
        uploads: what is sent.
        stamp: for the name of the directory where replaced files are kept.

    Raises:
        SiteError: they did not arrive, or not all of them.
    """
    root = project_directories(site.name)["root"]
    media = project_directories(site.name)["media"]
    aside = f"{root}/media-before-{stamp}"
    expected = [str(uploads.files), str(uploads.size)]
    staging = f"{root}/media-import-{stamp}"
    arguments = [site.name, media, staging, aside, RECEIVER.read_text(), *expected]
    status, out, errors = Primary(remote, machine).send(
        ["sh", "-c", RECEIVE, "sh", *arguments], uploads.read()
    )
    try:
        answer = json.loads(out)
    except ValueError:
        raise SiteError(
            f"{machine}: the uploads did not arrive: {explain(errors)}", 1, errors
        ) from None
    if status:
        raise SiteError(f"{machine}: {explain(errors)}", 1, errors)
    return Received(machine, answer["files"], answer["bytes"], aside if answer["replaced"] else "")


def _tar(directory: Path, names: Sequence[str]) -> Iterator[bytes]:
    """Yield a tar stream with files of a directory."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as stream, plain_tar.open_for(stream) as archive:
            for name in names:
                with (directory / name).open("rb") as content:
                    plain_tar.add(archive, name, content)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with os.fdopen(reading, "rb") as stream:
        yield from chunks(stream)
    writer.join()
