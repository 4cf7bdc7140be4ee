"""Uploads from a directory here: which are sent, and what is left where they do not arrive."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from espalier.arriving.uploads import RECEIVE, find_uploads


def test_links_to_directories_are_counted_as_skipped(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/2023.jpg").write_bytes(b"x")
    media = tmp_path / "media"
    media.mkdir()
    (media / "cat.jpg").write_bytes(b"cat")
    (media / "2023").symlink_to(tmp_path / "archive")
    (media / "dog.jpg").symlink_to("cat.jpg")
    found = find_uploads(media)
    assert (found.names, found.size, found.skipped) == (["cat.jpg"], 3, 2)


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
