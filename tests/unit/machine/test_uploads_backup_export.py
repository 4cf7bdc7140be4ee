"""Uploads of a moment are written as one stream, for another environment."""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.common import lifeline
from espalier_machine.uploads_backup import config, export
from espalier_machine.uploads_backup.errors import BackupError

from .uploads import DAY, Run, content, upload

pytestmark = pytest.mark.skipif(
    not shutil.which("restic"), reason="restic is not installed: apt-get install restic"
)


def exported(to: str, reading: Callable[[bytes], None] = lambda _: None) -> dict[str, str]:
    """What an export gives, by path; its first line has said as much."""
    out = Stream(reading)
    export.export(config.load(), to, out)
    said = json.loads(out.line)
    with tarfile.open(fileobj=io.BytesIO(b"".join(out.written))) as archive:
        members = archive.getmembers()
        found = {one.name: archive.extractfile(one).read().decode() for one in members}  # type: ignore[union-attr]
    assert (said["files"], said["bytes"]) == (len(members), sum(map(len, found.values())))
    assert said["unsaved"] is None
    return found


class Stream(io.RawIOBase):
    """Takes an export, and has something done once its first line is there."""

    def __init__(self, reading: Callable[[bytes], None]) -> None:
        """Take what is done."""
        self.line, self.written, self._reading = b"", list[bytes](), reading

    def writable(self) -> bool:
        """Whether it may be written to."""
        return True

    def write(self, content: Any) -> int:
        """Take some bytes."""
        if self.line:
            self.written.append(bytes(content))
        else:
            self.line = bytes(content)
            self._reading(self.line)
        return len(content)


def test_uploads_of_a_moment_are_exported_and_none_is_touched(media: Path, run: Run) -> None:
    upload(media, "same.txt", "same", age=DAY)
    upload(media, "written after.txt", "1", age=DAY)
    upload(media, "photos/deleted after [*?].txt", "kept", age=DAY)
    (media / "link").symlink_to("same.txt")
    run("run")
    upload(media, "new/came before.txt", "new")
    time.sleep(0.05)
    moment = datetime.datetime.now(datetime.UTC).isoformat()
    time.sleep(0.05)
    upload(media, "written after.txt", "333")
    shutil.rmtree(media / "photos")
    upload(media, "late/came after.txt", "late", age=-100)
    before, changed = content(media), (media / "same.txt").stat().st_ctime_ns
    of_moment = {
        "new/came before.txt": "new",
        "photos/deleted after [*?].txt": "kept",
        "same.txt": "same",
        "written after.txt": "1",
    }
    assert exported(moment) == of_moment
    assert content(media) == before
    assert (media / "same.txt").stat().st_ctime_ns == changed
    assert sorted(os.listdir(media.parent)) == ["media"]
    # What had just come was saved first, so that it is there although it is gone meanwhile.
    newest = exported("latest", lambda _: shutil.rmtree(media / "late"))
    assert newest == {
        "late/came after.txt": "late",
        "new/came before.txt": "new",
        "same.txt": "same",
        "written after.txt": "333",
    }


def test_no_symlink_leads_an_export_out_of_the_uploads(media: Path, run: Run) -> None:
    upload(media, "a/secret.txt", "mine")
    upload(media.parent, "secret.txt", "ours")
    shutil.copystat(media / "a/secret.txt", media.parent / "secret.txt")

    def exchange(line: bytes) -> None:
        shutil.rmtree(media / "a")
        (media / "a").symlink_to(media.parent)

    assert exported("latest", exchange) == {"a/secret.txt": "mine"}


def test_an_export_that_fails_has_no_end_and_leaves_nothing(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    repository = media.parent.parent / "repository"

    def lose(line: bytes) -> None:
        repository.rename(f"{repository}.away")
        (media / "a.txt").unlink()

    out = Stream(lose)
    with pytest.raises(BackupError, match="no backups at the destination"):
        export.export(config.load(), "latest", out)
    assert b"".join(out.written) == b""
    assert sorted(os.listdir(media.parent)) == ["media"]


class Full(io.FileIO):
    """A pipe that takes no more after the first line; whoever has read it is gone."""

    wait = 0

    def write(self, content: Any) -> int:
        """Take the line, and then wait until the program gives up."""
        self.wait += 1
        if self.wait == 2:
            raise lifeline.Abandoned
        if self.wait > 2:
            assert os.readlink(f"/proc/self/fd/{self.fileno()}") == os.devnull, "it waits for ever"
        return len(content)


def test_an_export_that_nobody_reads_any_more_leaves_nothing(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a" * 20000)
    reading, writing = os.pipe()
    with Full(writing, "wb") as out, pytest.raises(lifeline.Abandoned):
        export.export(config.load(), "latest", out)
    os.close(reading)
    assert sorted(os.listdir(media.parent)) == ["media"]


def test_an_export_without_room_or_beside_another_one_is_refused(
    media: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(media, "a.txt", "a")
    out = Stream(lambda _: None)
    with pytest.raises(BackupError, match="Another clone just reads the uploads"):
        exported("latest", lambda _: export.export(config.load(), "latest", out) and None)
    moment = datetime.datetime.now(datetime.UTC).isoformat()
    upload(media, "a.txt", "another", age=-1)
    monkeypatch.setattr("espalier_machine.uploads_backup.restore.free", lambda _: 1000)
    with pytest.raises(
        BackupError, match="has 0 MiB free, and the uploads that have to be fetched"
    ):
        export.export(config.load(), moment, out)
    assert out.line == b""


# The command line, with an export that takes long.
WAITING = """
import sys, time
from espalier_machine.uploads_backup import cli, config, export
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.restic import Restic
config.load = lambda: None
def slow(settings, to, out):
    if to == "never":
        raise BackupError("There is none.")
    try:
        out.write(to.encode() + b"\\n")
        out.flush()
        time.sleep(60)
    finally:
        print("cleaned up", file=sys.stderr, flush=True)
export.export = slow
sys.exit(cli.main(["export", "--to", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("to", "out", "said"), [("latest", "latest\n", "cleaned up"), ("never", "", "There is none.")]
)
def test_export_ends_with_whoever_asked_for_it_and_fails_in_words(
    to: str, out: str, said: str
) -> None:
    job = subprocess.Popen(
        [sys.executable, "-c", WAITING, to],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stdin and job.stdout and job.stderr
    assert job.stdout.readline() == out
    job.stdin.close()
    assert job.wait(10) == 1
    assert (job.stdout.read(), job.stderr.read()) == ("", f"{said}\n")
