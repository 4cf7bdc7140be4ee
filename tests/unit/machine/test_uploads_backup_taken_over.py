"""A machine that was replaced, and comes back, adds nothing to the backups of the new one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from espalier_machine.uploads_backup import config, save, snapshots
from espalier_machine.uploads_backup.restic import Restic
from espalier_machine.uploads_backup.snapshots import Snapshot

from .uploads import Run, content, upload

REFUSED = "The site's uploads were restored on another machine, or moved to it"
with_restic = pytest.mark.skipif(
    not shutil.which("restic"), reason="restic is not installed: apt-get install restic"
)


class Machine:
    """A machine of the site, with a disk and a memory of its own."""

    def __init__(self, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it, with no uploads."""
        self.media, self.home, self.run_here = folder / "media", folder / "home", run
        self.media.mkdir(parents=True)
        self.monkeypatch = monkeypatch

    def run(self, *arguments: str, status: int = 0) -> dict[str, object]:
        """Run the program there."""
        known = json.loads(config.FILE.read_text())
        config.FILE.write_text(json.dumps(known | {"media": str(self.media)}))
        self.monkeypatch.setattr(config, "HOME", self.home)
        return self.run_here(*arguments, status=status)


@pytest.fixture
def machines(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> tuple[Machine, Machine]:
    """The old machine, and a new one in its place, which has its uploads."""
    old, new = (Machine(tmp_path / name, run, monkeypatch) for name in ("old", "new"))
    old.run("begin")
    upload(old.media, "a.txt", "a")
    old.run("run")
    new.run("begin")
    new.run("restore", "--to", "latest")
    upload(new.media, "new.txt", "new")
    new.run("run")
    return old, new


@with_restic
def test_a_machine_that_was_replaced_says_so_and_adds_nothing(
    machines: tuple[Machine, Machine],
) -> None:
    old, new = machines
    upload(old.media, "stray.txt", "stray")
    assert str(old.run("run", status=1)["error"]).startswith(REFUSED)
    assert str(old.run("status", status=1)["error"]).startswith(REFUSED)
    assert str(old.run("forget", status=1)["error"]).startswith(REFUSED)
    new.run("begin")
    upload(new.media, "more.txt", "more")
    new.run("run")
    assert new.run("forget")["ok"]
    new.run("restore", "--to", "latest")
    assert set(content(new.media)) == {"a.txt", "new.txt", "more.txt"}
    # Until somebody has it be the site's machine again.
    old.run("begin")
    old.run("restore", "--to", "latest")
    assert {"new.txt", "more.txt"} < set(content(old.media))
    old.run("run")
    assert str(new.run("run", "--accept-fewer", status=1)["error"]).startswith(REFUSED)


@with_restic
def test_a_machine_that_was_replaced_says_so_where_nothing_has_changed(
    machines: tuple[Machine, Machine],
) -> None:
    old, _ = machines
    known = json.loads((old.home / "state.json").read_text())
    (old.home / "state.json").write_text(json.dumps(known | {"looked": known["looked"] - 3600}))
    assert str(old.run("run", status=1)["error"]).startswith(REFUSED)


@with_restic
def test_what_it_added_before_is_not_the_site_s(machines: tuple[Machine, Machine]) -> None:
    old, new = machines
    upload(old.media, "stray.txt", "stray")
    # As a version before this one does.
    Restic(config.load()).run("backup", "--tag", "uploads", "--host", "shop", str(old.media))
    new.run("restore", "--to", "latest")
    assert set(content(new.media)) == {"a.txt", "new.txt"}


@with_restic
def test_a_machine_that_takes_over_again_misses_nothing_that_it_added_meanwhile(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = machines
    upload(old.media, "stray.txt", "stray")
    with monkeypatch.context() as patch:  # in the moment between its look and its copy
        patch.setattr(save, "look", lambda *_: "")
        old.run("run")
    old.run("begin")
    upload(old.media, "more.txt", "more")
    assert old.run("run", "--accept-fewer")["ok"]


def test_generations_are_read_and_older_ones_after_newer_ones_do_not_count() -> None:
    def found(hour: int, *tags: str) -> dict[str, object]:
        time = f"2026-11-30T{hour:02}:00:00Z"
        return {"id": str(hour), "time": time, "paths": ["/m"], "tags": ["uploads", *tags]}

    answer = [
        *(found(10), found(11, "generation-1"), found(12, "generation-2", "before-restore")),
        *(found(13, "generation-1"), found(14), found(15, "generation-2")),
    ]
    seen = snapshots.parse(answer)
    assert [one.generation for one in seen] == [0, 1, 2, 1, 0, 2]
    assert [one.id for one in snapshots.history(seen)] == ["10", "11", "12", "15"]
    assert seen[2] == Snapshot("12", seen[2].time, "/m", is_aside=True, generation=2)
