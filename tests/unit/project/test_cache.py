"""What the control machine keeps between runs, and what it removes of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from espalier.project.cache import prune


def archive(folder: Path, name: str, age: float) -> Path:
    """A file that was touched so many seconds ago."""
    path = folder / name
    path.write_text(name)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_newest_are_kept(tmp_path: Path) -> None:
    day = 86400
    for number in range(7):
        archive(tmp_path, f"shop-{number}", day + number)
    prune(tmp_path.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"shop-{n}" for n in range(5)]


def test_what_another_clone_s_run_is_about_to_send_is_kept(tmp_path: Path) -> None:
    packed = archive(tmp_path, "shop-theirs", 600)
    old = archive(tmp_path, "shop-old", 86400)
    for number in range(5):
        archive(tmp_path, f"shop-{number}", number)
    prune(tmp_path.iterdir())
    assert packed.exists()
    assert not old.exists()
