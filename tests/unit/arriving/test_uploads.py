"""Uploads from a directory here: which are sent, and what is left where they do not arrive."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.arriving import uploads
from espalier.arriving.uploads import RECEIVE, Uploads, find_uploads
from espalier.inventory.site import SiteError


def test_links_to_directories_are_counted_as_skipped(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/2023.jpg").write_bytes(b"x")
    media = tmp_path / "media"
    media.mkdir()
    (media / "cat.jpg").write_bytes(b"cat")
    (media / "2023").symlink_to(tmp_path / "archive")
    (media / "dog.jpg").symlink_to("cat.jpg")
    found = find_uploads(media)
    assert (found.files, found.size, found.skipped) == (1, 3, 2)
    with tarfile.open(fileobj=io.BytesIO(b"".join(found.read()))) as archive:
        assert archive.getnames() == ["cat.jpg"]


@pytest.mark.parametrize("status", [0, 1])
def test_staging_is_removed_however_it_ends(tmp_path: Path, status: int) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    staging, aside = tmp_path / "staging", tmp_path / "aside"
    scripts = {
        "install": 'mkdir "$8" "$9"; touch "$8/half"',
        "runuser": f'test -e "{staging}/half" || exit 9; exit {status}',
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    words = ["sh", "-c", RECEIVE, "sh", "shop", str(tmp_path), str(staging), str(aside), "program"]
    done = subprocess.run(words, env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert done.returncode == status
    assert not staging.exists()
    assert not aside.exists()


class Machine:
    """A machine with uploads, of which the receiver runs here, and as whoever runs the tests."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of `runuser`, and of the project's directory."""
        self.media = folder / "srv/media"
        self.media.mkdir(parents=True)
        tools = folder / "bin"
        tools.mkdir()
        scripts = {"install": 'mkdir -p "$8" "$9"', "runuser": 'shift 3; exec "$@"'}
        for name, script in scripts.items():
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        places = {"root": str(folder / "srv"), "media": str(self.media)}
        monkeypatch.setattr(uploads, "project_directories", lambda name: places)
        self.remote: Any = SimpleNamespace(
            site=SimpleNamespace(variables={"web1": {}}),
            command=lambda machine, options: ["sh", "-c"],
            environment={"PATH": f"{tools}:{os.environ['PATH']}"},
        )

    def send(self, sent: Uploads) -> uploads.Received:
        """Send uploads there."""
        site: Any = SimpleNamespace(name="shop")
        return uploads.send(self.remote, site, "web1", sent, "1")

    def there(self) -> dict[str, str]:
        """What is there, below the project's directory."""
        files = (path for path in self.media.parent.rglob("*") if path.is_file())
        return {str(path.relative_to(self.media.parent)): path.read_text() for path in files}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def sent(tmp_path: Path) -> Uploads:
    """Two uploads of another site, in a directory here."""
    (tmp_path / "sent/a").mkdir(parents=True)
    (tmp_path / "sent/a/cat.jpg").write_text("new cat")
    (tmp_path / "sent/dog.jpg").write_text("dog")
    return find_uploads(tmp_path / "sent")


def test_what_is_replaced_is_kept_and_what_is_the_same_stays(
    machine: Machine, sent: Uploads
) -> None:
    (machine.media / "a").mkdir()
    (machine.media / "a/cat.jpg").write_text("old cat")
    (machine.media / "own.jpg").write_text("own")
    received = machine.send(sent)
    assert (received.files, received.size) == (2, 10)
    after = {"media/a/cat.jpg": "new cat", "media/dog.jpg": "dog", "media/own.jpg": "own"}
    assert machine.there() == after | {"media-before-1/a/cat.jpg": "old cat"}
    assert received.aside.endswith("media-before-1")
    again = machine.send(sent)
    assert (again.files, again.aside) == (2, "")
    assert machine.there() == after | {"media-before-1/a/cat.jpg": "old cat"}


@pytest.mark.parametrize("files", [1, 3])
def test_others_than_were_to_come_change_nothing(
    machine: Machine, sent: Uploads, files: int
) -> None:
    (machine.media / "dog.jpg").write_text("old")
    with pytest.raises(SiteError, match=f"2 files of 10 bytes have come, and {files} of 10 were"):
        machine.send(Uploads(files, 10, 0, sent.read))
    assert machine.there() == {"media/dog.jpg": "old"}


def test_uploads_for_which_there_is_no_room_do_not_begin(machine: Machine, sent: Uploads) -> None:
    with pytest.raises(SiteError, match=r"did not arrive: the disk of .* has \d+ MiB free, and"):
        machine.send(Uploads(2, 10**18, 0, sent.read))
    assert machine.there() == {}
