"""Uploads from a directory here to the machine that has the site's."""

from __future__ import annotations

import json
import os
import tarfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from espalier import paths
from espalier.arriving.primary import Primary, chunks
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier.wiring.directories import project_directories

# Sent as text, as it runs as the project's user, who may read nothing of ours.
RECEIVER = paths.MACHINE / "espalier_machine/importing/uploads.py"
COUNT = 'find "$1" -type f -not -path "*/.*" 2>/dev/null | wc -l'
# Staging and aside are the user's, in a directory that is not.
RECEIVE = """
set -e
trap 'rm -rf "$3"; rmdir "$4" 2>/dev/null || true' EXIT
install -d -o "$1" -g "$1" -m 755 "$3" "$4"
runuser -u "$1" -- python3 -I -S -c "$5" "$2" "$3" "$4"
"""


@dataclass(frozen=True)
class Uploads:
    """The files below a directory here: paths relative to it, and how many bytes they have."""

    directory: Path
    names: Sequence[str]
    size: int
    skipped: int


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
    return Uploads(directory, names, size, skipped)


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
    arguments = [site.name, media, f"{root}/media-import-{stamp}", aside, RECEIVER.read_text()]
    status, out, errors = Primary(remote, machine).send(
        ["sh", "-c", RECEIVE, "sh", *arguments], _tar(uploads)
    )
    try:
        answer = json.loads(out)
    except ValueError:
        raise SiteError(
            f"{machine}: the uploads did not arrive: {explain(errors)}", 1, errors
        ) from None
    received = Received(
        machine, answer["files"], answer["bytes"], aside if answer["replaced"] else ""
    )
    if status or (received.files, received.size) != (len(uploads.names), uploads.size):
        raise SiteError(
            f"{machine} has {received.files} files of {received.size} bytes, and "
            f"{uploads.directory} {len(uploads.names)} of {uploads.size}. Did somebody write there "
            "meanwhile? Run the same command again.",
            1,
            errors,
        )
    return received


def _tar(uploads: Uploads) -> Iterator[bytes]:
    """Yield a tar stream with the files, as their content and nothing of their owner."""
    reading, writing = os.pipe()

    def write() -> None:
        with (
            os.fdopen(writing, "wb") as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name in uploads.names:
                path = uploads.directory / name
                member = tarfile.TarInfo(name)
                with path.open("rb") as content:
                    status = os.fstat(content.fileno())
                    member.size, member.mtime = status.st_size, int(status.st_mtime)
                    archive.addfile(member, content)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with os.fdopen(reading, "rb") as stream:
        yield from chunks(stream)
    writer.join()
