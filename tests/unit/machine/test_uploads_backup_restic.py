"""Uploads are saved and brought back by the restic of this machine, in a repository on its disk."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from espalier_machine.uploads_backup import cli, config, state
from espalier_machine.uploads_backup.restic import Restic

from .uploads import DAY, Run, content, upload

pytestmark = pytest.mark.skipif(
    not shutil.which("restic"), reason="restic is not installed: apt-get install restic"
)


def test_the_repository_is_made_once_and_opened_by_its_passphrase(media: Path, run: Run) -> None:
    assert run("begin") == {"ok": True, "made": False}
    (media.parent.parent / "passphrase").write_text("another\n")
    error = run("begin", status=1)["error"]
    assert "bring back deploy/<environment>/.secrets/backup_passphrase" in error
    (media.parent.parent / "passphrase").write_text("secret\n")
    # As one that was cut off while it was made: its key would open nothing.
    (media.parent.parent / "repository/config").unlink()
    assert run("begin") == {"ok": True, "made": True}


def test_a_new_destination_has_no_copy_until_one_is_made(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    run("run")
    first = config.HOME / "begun"  # the nights' units have it as their condition
    assert first.exists()
    shutil.rmtree(media.parent.parent / "repository")
    assert run("begin")["made"]
    assert not first.exists()
    assert run("status")["snapshot"] is None
    run("run")
    assert first.exists()


def test_who_may_delete_nothing_makes_no_repository(media: Path, run: Run) -> None:
    shutil.rmtree(media.parent.parent / "repository")
    known = json.loads(config.FILE.read_text())
    config.FILE.write_text(json.dumps(known | {"prunes": False}))
    assert "The machine that keeps the backups has none yet" in run("begin", status=1)["error"]


def test_a_snapshot_is_made_when_something_has_changed(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    upload(media, ".incoming/b", "passing")
    assert run("status")["snapshot"] is None
    made = run("run")["snapshot"]
    assert (made["files"], made["bytes"]) == (1, 1)
    assert run("run") == {"ok": True, "snapshot": None}
    assert run("status") == {
        "ok": True,
        "site": "shop",
        "repository": str(media.parent.parent / "repository"),
        "uploads": str(media),
        "snapshot": made,
        "age": run("status")["age"],
        "changed": False,
        "unsaved": 0,
        "timers": {
            "espalier-uploads-backup.timer": True,
            "espalier-uploads-forget.timer": True,
            "espalier-uploads-sample.timer": True,
        },
        "error": "",
        "warning": "",
        "failing_since": None,
        "forgot": None,
        "samples": True,
        "sample": None,
    }
    (media / "a.txt").rename(media / "b.txt")
    assert run("status")["changed"]
    assert run("run")["snapshot"]["files"] == 1
    # Once a day, too, where nobody uploads anything; and at once where it is another destination.
    repository = str(media.parent.parent / "repository")
    known = state.load(repository)
    known.snapshot["time"] -= DAY
    state.save(known)
    assert run("run")["snapshot"]
    state.save(dataclasses.replace(state.load(repository), repository="elsewhere"))
    assert run("status")["snapshot"] is None
    assert run("run")["snapshot"]


def test_a_failure_is_remembered_until_a_snapshot_is_made(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    repository = media.parent.parent / "repository"
    repository.rename(f"{repository}.away")
    assert run("run", status=1)["error"] == "There are no backups at the destination yet."
    assert run("forget")["snapshots"] == 0  # nobody has saved anything
    seen = run("status", status=1)
    assert seen["error"] == "There are no backups at the destination yet."
    assert seen["failing_since"] and seen["changed"]
    Path(f"{repository}.away").rename(repository)
    run("run")
    assert run("status")["error"] == ""


def test_uploads_are_brought_into_the_state_of_a_moment(media: Path, run: Run) -> None:
    upload(media, "same.txt", "same", age=DAY)
    upload(media, "written before.txt", "1", age=DAY)
    upload(media, "written after.txt", "1", age=DAY)
    upload(media, "photos/deleted after [*?].txt", "kept", age=DAY)
    (media / "link").symlink_to("same.txt")
    (media / "empty").mkdir(mode=0o750)
    run("run")
    upload(media, "written before.txt", "22")
    upload(media, "new/came before.txt", "new")
    upload(media, "moved here.txt", "old", age=100 * DAY)
    time.sleep(0.05)
    moment = datetime.datetime.now(datetime.UTC).isoformat()
    time.sleep(0.05)
    upload(media, "written after.txt", "333")
    shutil.rmtree(media / "photos")
    upload(media, "late/came after.txt", "late", age=-100)  # beyond what clocks may differ by
    before = content(media)

    planned = run("restore", "--to", moment, "--plan")
    assert (planned["files"], planned["linked"], planned["fetched"]) == (7, 5, 2)
    assert planned["enough"] and content(media) == before
    done = run("restore", "--to", moment)
    assert content(media) == {
        "link": "same",
        "moved here.txt": "old",
        "new/came before.txt": "new",
        "photos/deleted after [*?].txt": "kept",
        "same.txt": "same",
        "written after.txt": "1",
        "written before.txt": "22",
    }
    assert os.readlink(media / "link") == "same.txt"
    assert (media / "empty").stat().st_mode & 0o777 == 0o750
    assert (done["linked"], done["fetched"], done["uncertain"]) == (5, 2, 1)
    replaced = Path(done["replaced"])
    assert replaced.name.startswith("media.replaced-")
    assert content(replaced) == before
    assert (replaced / "same.txt").samefile(media / "same.txt")
    assert sorted(os.listdir(media.parent)) == ["media", replaced.name]
    # What was replaced is in the backups, too.
    assert run("restore-file", "late/came after.txt", "--to", "latest")["restored"]


def test_a_new_machine_gets_back_what_the_old_one_had(
    media: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        upload(media, f"photos/{number}.txt", str(number), age=DAY)
    run("run")
    shutil.rmtree(config.HOME)
    shutil.rmtree(media)
    media.mkdir()
    upload(media, "fresh.txt", "fresh")
    # What it has would be what `latest` brings back.
    error = run("run", status=1)["error"]
    assert "has 5 files, and this machine has 1. Is its disk a new one, or not mounted?" in error
    with monkeypatch.context() as patch:  # a first try, which leaves a snapshot of what is here
        patch.setattr("espalier_machine.uploads_backup.restore.free", lambda _: 1000)
        assert "has 0 MiB free" in run("restore", "--to", "latest", status=1)["error"]
    assert content(media) == {"fresh.txt": "fresh"}
    run("restore", "--to", "latest")
    assert len(content(media)) == 6
    done = run("restore", "--to", "latest")
    assert (done["linked"], done["fetched"], done["replaced"]) == (6, 0, None)
    assert run("run")["snapshot"]["files"] == 6


def test_uploads_that_are_gone_on_purpose_are_accepted(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    run("run")
    (media / "a.txt").unlink()
    assert "has 1 file, and this machine has 0" in run("run", status=1)["error"]
    assert run("run", "--accept-fewer")["snapshot"]["files"] == 0
    assert run("status")["ok"]


def test_a_restore_needs_a_backup(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    error = run("restore", "--to", "latest", status=1)["error"]
    assert error == "There is no backup of the uploads of shop yet."
    assert content(media) == {"a.txt": "a"}


def test_one_upload_is_brought_back_beside_what_is_there(media: Path, run: Run) -> None:
    upload(media, "photos/a.txt", "first", age=DAY)
    run("run")
    assert run("restore-file", "photos/a.txt", "--to", "latest")["unchanged"]
    moment = datetime.datetime.now(datetime.UTC).isoformat()
    upload(media, "photos/a.txt", "second", age=-1)
    answer = run("restore-file", str(media / "photos/a.txt"), "--to", moment)
    found = Path(answer["restored"])
    assert (answer["path"], answer["bytes"]) == ("photos/a.txt", 5)
    assert found.name.startswith("a.txt.restored-")
    assert content(media) == {"photos/a.txt": "second", f"photos/{found.name}": "first"}
    shutil.rmtree(media / "photos")
    found = Path(run("restore-file", "photos/a.txt", "--to", "latest")["restored"])
    assert content(media) == {f"photos/{found.name}": "first"}
    error = run("restore-file", "photos/b.txt", "--to", "latest", status=1)["error"]
    assert "has photos/b.txt. Nor has any other: is the path right?" in error
    early = "2020-01-01T00:00:00Z"
    error = run("restore-file", "photos/a.txt", "--to", early, status=1)["error"]
    assert "Others have it, written at " in error


def test_a_sample_is_compared_with_the_disk(media: Path, run: Run) -> None:
    for number in range(5):
        upload(media, f"{number}.txt", str(number), age=DAY)
    run("run")
    upload(media, "0.txt", "changed")
    before = (media / "1.txt").stat()
    (media / "1.txt").write_text("x")  # as a disk does that loses bits
    os.utime(media / "1.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    answer = run("verify-sample", "9", status=1)
    assert (answer["files"], answer["compared"], answer["differing"]) == (5, 4, ["1.txt"])
    wrong = (
        "Of 5 uploads 1 came back other than on the disk, such as 1.txt: the disk or the "
        "copy is damaged."
    )
    assert answer["error"] == wrong
    seen = run("status", status=1)
    assert (seen["error"], seen["sample"]["error"]) == ("", wrong)
    assert 0 <= seen["sample"]["age"] < 60
    # Copies are made all the same, and the next sample ends it.
    upload(media, "1.txt", "written anew")
    run("run")
    assert run("status", status=1)["sample"]["error"] == wrong
    assert run("verify-sample")["compared"] == 5
    assert run("status")["sample"]["error"] == ""
    assert sorted(os.listdir(config.HOME)) == ["begun", "lock", "state.json"]


def inverted(repository: Path) -> None:
    """Turn each bit of the files with the content, or turn it back."""
    for file in (repository / "data").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(bytes(byte ^ 0xFF for byte in file.read_bytes()))


def test_a_sample_of_copies_that_are_damaged_is_red_until_they_are_whole(
    media: Path, run: Run
) -> None:
    content = os.urandom(3 * 2**20)
    (media / "photos").mkdir()
    (media / "photos/large [*?] é.bin").write_bytes(content)
    upload(media, "empty", "")
    run("run")
    answer = run("verify-sample")
    assert (answer["files"], answer["compared"], answer["bytes"]) == (2, 2, len(content))
    inverted(media.parent.parent / "repository")
    assert "The backups there are damaged" in run("verify-sample", status=1)["error"]
    assert "The backups there are damaged" in run("status", status=1)["sample"]["error"]
    inverted(media.parent.parent / "repository")
    run("verify-sample")
    assert run("status")["ok"]


def test_a_sample_without_a_copy_has_failed(media: Path, run: Run) -> None:
    error = "There is no backup of the uploads of shop yet."
    assert run("verify-sample", status=1)["error"] == error
    assert run("status", status=1)["sample"]["error"] == error
    # Nobody wants to know where hosts.yml has `drill: false`.
    known = json.loads(config.FILE.read_text())
    config.FILE.write_text(json.dumps(known | {"samples": False}))
    assert (run("status")["samples"], run("status")["sample"]) == (False, None)


@pytest.mark.parametrize("action", ["verify-sample", "forget"])
def test_what_is_ended_for_a_restore_has_proven_nothing(
    media: Path, run: Run, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    upload(media, "a.txt", "a")
    run("run")
    before = (config.HOME / "state.json").read_text()

    def ended(*_: object, **__: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    monkeypatch.setattr(Restic, "json", ended)
    with pytest.raises(SystemExit):
        cli.main([action, "--json"])
    assert (config.HOME / "state.json").read_text() == before


def test_uploads_that_have_gone_since_come_back_all_the_same(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    run("run")
    (media / "a.txt").unlink()
    answer = run("verify-sample")
    assert (answer["files"], answer["compared"], answer["damaged"]) == (1, 0, [])


def test_nights_keep_what_is_needed_and_see_damage(media: Path, run: Run) -> None:
    upload(media, "a.txt", "a")
    run("run")
    upload(media, "b.txt", "b")
    run("run")
    answer = run("forget")
    assert answer["snapshots"] == 2 and answer["bytes"] > 0
    assert run("status")["forgot"]["snapshots"] == 2
    for file in (media.parent.parent / "repository/data").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"x" * file.stat().st_size)
    assert "The backups there are damaged" in run("forget", status=1)["error"]
    assert "The backups there are damaged" in run("status", status=1)["error"]
