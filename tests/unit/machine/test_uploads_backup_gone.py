"""Backups that somebody has deleted at the destination are missed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.uploads_backup import config, state

from .uploads import Run, upload

pytestmark = pytest.mark.skipif(
    not shutil.which("restic"), reason="restic is not installed: apt-get install restic"
)
HOUR = 3600
GONE = "are gone: were they deleted there?"


def an_hour_later() -> None:
    """As if the destination was seen an hour ago."""
    known = state.load(json.loads(config.FILE.read_text())["repository"])
    known.looked -= HOUR
    state.save(known)


def test_an_emptied_destination_is_told_within_an_hour(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    run("run")
    repository = media.parent.parent / "repository"
    shutil.rmtree(repository)
    assert run("run")["ok"]  # nothing has changed, and it was there a moment ago
    an_hour_later()
    assert GONE in run("run", status=1)["error"]
    assert GONE in run("status", status=1)["error"]
    upload(media, "b.txt", "b")
    assert GONE in run("run", status=1)["error"]
    assert GONE in run("forget", status=1)["error"]
    # Whoever runs the site was told.
    assert run("begin")["made"]
    assert run("run")["snapshot"]["files"] == 2
    assert run("status")["ok"]


def test_snapshots_that_are_gone_are_told_until_a_run_of_the_site(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    run("run")
    for file in (media.parent.parent / "repository/snapshots").iterdir():
        file.unlink()
    assert GONE in run("forget", status=1)["error"]
    an_hour_later()
    assert GONE in run("run", status=1)["error"]
    # Copies are made all the same.
    upload(media, "b.txt", "b")
    assert GONE in run("run", status=1)["error"]
    assert run("status", status=1)["unsaved"] == 0
    assert run("restore", "--to", "latest", "--plan")["files"] == 2
    run("begin")
    run("run")
    assert run("status")["ok"]
    run("forget")
    assert run("status")["ok"]


@pytest.fixture
def keeper(media: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The machine that keeps the backups, after its first night with one."""
    upload(media, "a.txt", "a")
    run("run")
    file = tmp_path / "keeper.json"
    file.write_text(json.dumps(json.loads(config.FILE.read_text()) | {"media": ""}))

    def there(*arguments: str, status: int = 0) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setattr(config, "FILE", file)
            patch.setattr(config, "HOME", tmp_path / "keeper")  # it knows of its own nights
            return run(*arguments, status=status)

    assert there("forget")["snapshots"] == 1
    return there


def test_the_machine_that_keeps_the_backups_misses_them_until_a_night_with_some(
    media: Path, run: Run, keeper: Run
) -> None:
    for file in (media.parent.parent / "repository/snapshots").iterdir():
        file.unlink()
    told = "are gone: were they deleted there? What is on the disk is all that there is. New ones "
    told += "begin with `espalier site`; the first night with some ends this message."
    assert keeper("forget", status=1)["error"].endswith(told)
    keeper("begin")
    assert keeper("status", status=1)["error"].endswith(told)
    upload(media, "b.txt", "b")
    assert GONE in run("run", status=1)["error"]  # a copy is made all the same
    assert keeper("forget")["snapshots"] == 1
    assert keeper("status")["ok"]


def test_the_machine_that_keeps_the_backups_misses_them_each_night(
    media: Path, keeper: Run
) -> None:
    shutil.rmtree(media.parent.parent / "repository")
    for _ in range(2):
        assert GONE in keeper("forget", status=1)["error"]
