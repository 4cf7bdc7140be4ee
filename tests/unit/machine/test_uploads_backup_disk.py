"""Root works where another user may exchange things; restic does not always answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from espalier_machine.uploads_backup import build, changes, config, held, place, restic, swap, tree
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError

OWN = (os.getuid(), os.getgid())


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config, "HOME", tmp_path / "home")
    monkeypatch.setattr(config, "CACHE", tmp_path / "cache")
    made = tmp_path / "media"
    (made / "a").mkdir(parents=True)
    (made / "a/one.txt").write_text("one")
    (made / "two.txt").write_text("two")
    return made


def content(directory: Path) -> dict[str, str]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


def test_a_directory_that_is_held_stays_the_same_one(live: Path, tmp_path: Path) -> None:
    with held.held(live) as path:
        live.rename(tmp_path / "moved")
        live.symlink_to("/etc")
        (path / "new.txt").write_text("new")
    assert (tmp_path / "moved/new.txt").exists()
    with pytest.raises(OSError), held.held(live):
        pass


def test_no_symlink_leads_out_of_the_uploads(live: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (live / "b").symlink_to(tmp_path / "elsewhere")
    for path in ("b", "b/c", "two.txt/c"):
        with pytest.raises(BackupError, match="is no directory"), held.below(live, path, OWN):
            pass
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with held.below(live, "", OWN) as top, held.below(live, "a/deep/er", OWN) as folder:
        (folder / "x").touch()
        assert (top / "a/deep/er/x").exists()
    assert (live / "a/deep").stat().st_mode & 0o777 == 0o755


def test_what_a_restore_left_that_was_cut_off_is_removed(live: Path, tmp_path: Path) -> None:
    (tmp_path / "media.restoring/tree").mkdir(parents=True)
    os.link(live / "two.txt", tmp_path / "media.restoring/tree/two.txt")
    with place.workshop(live) as path:
        assert os.listdir(path) == []
        assert (tmp_path / "media.restoring").stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(tmp_path)) == ["media"]
    assert (live / "two.txt").read_text() == "two"


def test_on_a_disk_of_their_own_uploads_stay_on_it(
    live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.place(live).replaced == f"{live}.replaced-"
    monkeypatch.setattr(place, "is_own_disk", lambda _: True)
    assert place.place(live) == (live / ".espalier-restoring", f"{live}/.espalier-replaced-")
    (live / ".espalier-restoring").mkdir()
    (live / ".incoming").mkdir()
    assert set(tree.of_disk(live).entries) == {"a", "a/one.txt", "two.txt"}


def test_a_swap_puts_aside_what_was_there_and_leaves_what_is_passing(
    live: Path, tmp_path: Path
) -> None:
    (live / ".incoming").mkdir()
    (live / ".incoming/x").write_text("passing")
    new, aside = tmp_path / "new", tmp_path / "aside"
    (new / "two.txt").mkdir(parents=True)
    (new / "two.txt/three.txt").write_text("three")
    (new / "four.txt").write_text("four")
    aside.mkdir()
    swap.swap(new, live, aside)
    assert content(live) == {
        ".incoming/x": "passing",
        "four.txt": "four",
        "two.txt/three.txt": "three",
    }
    assert content(aside) == {"a/one.txt": "one", "two.txt": "two"}
    # Cut off and begun again: a name may have been put aside before.
    (tmp_path / "again").mkdir()
    (live / "a").mkdir()
    swap.swap(tmp_path / "again", live, aside)
    assert sorted(os.listdir(aside)) == ["a", "a.2", "four.txt", "two.txt", "two.txt.2"]


def test_what_has_changed_since_it_was_looked_at_is_not_linked(live: Path, tmp_path: Path) -> None:
    seen = tree.of_disk(live).entries
    new = tmp_path / "new"
    new.mkdir()
    build.make_directories(seen, new)
    (live / "two.txt").write_text("another two")
    assert build.link(seen, {"a/one.txt", "two.txt", "none"}, live, new) == {"a/one.txt"}
    assert (new / "a/one.txt").samefile(live / "a/one.txt")
    assert not (new / "two.txt").exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda live: (live / "a/new.txt").write_text(""), id="a new file"),
        pytest.param(lambda live: (live / "a/one.txt").write_text("1"), id="another content"),
        pytest.param(lambda live: (live / "a/one.txt").unlink(), id="a file less"),
        pytest.param(lambda live: (live / "a").rename(live / "b"), id="another name"),
        pytest.param(lambda live: (live / "two.txt").chmod(0o600), id="another mode"),
        pytest.param(lambda live: os.utime(live / "two.txt", (1, 1)), id="an old time"),
    ],
)
def test_each_change_is_seen_and_what_is_passing_is_none(live: Path, change) -> None:
    def saved() -> None:
        changes.begin().rename(changes.stamp())

    assert changes.is_changed(live)  # never saved
    assert changes.unsaved(live, time.time()) is None
    time.sleep(2 * changes.TICK)
    saved()
    assert not changes.is_changed(live)
    assert changes.unsaved(live, time.time()) == 0
    change(live)
    assert changes.is_changed(live)
    assert changes.unsaved(live, time.time() + 100) in (100, 101)
    (live / ".receiving").mkdir()
    time.sleep(2 * changes.TICK)
    saved()
    (live / ".receiving/x").write_text("passing")
    assert not changes.is_changed(live)


def test_a_disk_that_is_not_mounted_is_told(live: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"none is not there.*Is their disk mounted\?"):
        changes.count_files(tmp_path / "none")
    assert changes.count_files(live) == 2


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: Path) -> Path:
    """A restic that does what its script says; it appends its arguments to `calls`."""
    program = tmp_path / "bin/restic"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')
    program.chmod(0o755)
    (tmp_path / "passphrase").write_text("secret\n")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(restic, "PAUSE", 0.01)
    return program


def commands(program: Path) -> list[str]:
    calls = (program.parent.parent / "calls").read_text().splitlines()
    return [call.split("--no-cache ")[1] for call in calls]


def called(program: Path, script: str) -> restic.Restic:
    with program.open("a") as file:
        file.write(script)
    passphrase = str(program.parent.parent / "passphrase")
    return restic.Restic(Config("shop", repository="/r", password_file=passphrase))


def test_whoever_has_locked_the_backups_is_waited_for(fake: Path, tmp_path: Path) -> None:
    script = f"""
    case "$*" in *unlock*) echo x >> {tmp_path}/unlocked; exit 0;; esac
    [ "$(wc -l < {tmp_path}/unlocked)" -ge 2 ] && {{ echo '{{"passphrase": "'$(cat)'"}}'; exit 0; }}
    echo "unable to create lock in backend: repository is already locked by PID 1" >&2; exit 11
    """
    (tmp_path / "unlocked").touch()
    runs = called(fake, script)
    assert runs.json("snapshots") == {"passphrase": "secret"}
    assert commands(fake) == ["snapshots --json", "unlock"] * 2 + ["snapshots --json"]
    (tmp_path / "unlocked").write_text("")
    assert list(runs.lines("ls", "a")) == [{"passphrase": "secret"}]


def test_patience_has_an_end(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restic, "PATIENCE", 0)
    runs = called(fake, "echo 'Fatal: repository is already locked by PID 1' >&2; exit 1")
    with pytest.raises(BackupError, match="works with the backups of uploads"):
        runs.run("backup")
    # Who waits for a restore has less.
    monkeypatch.setattr(restic, "PATIENCE", 3600)
    with pytest.raises(BackupError, match="works with the backups of uploads"):
        list(restic.Restic(runs.config, patience=0).lines("ls", "a"))


def test_no_answer_is_told_by_what_was_tried(fake: Path) -> None:
    runs = called(
        fake,
        "echo 'Stat(<config/>) returned error, retrying after 1s: dial tcp: no route to host' >&2\n"
        "trap 'echo Fatal: context canceled >&2; exit 1' TERM; sleep 5 > /dev/null 2>&1 & wait",
    )
    with pytest.raises(BackupError, match=r"cannot be reached: dial tcp: no route to host$"):
        runs.run("cat", "config", timeout=0.5)


def test_without_restic_or_its_passphrase_people_are_told(
    fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = called(fake, "")
    (tmp_path / "passphrase").unlink()
    with pytest.raises(BackupError, match="it has the passphrase of the backups"):
        runs.run("snapshots")
    (tmp_path / "passphrase").write_text("secret\n")
    monkeypatch.setattr(restic, "PROGRAM", "restic-is-not-here")
    with pytest.raises(BackupError, match="restic is not installed"):
        runs.run("snapshots")
