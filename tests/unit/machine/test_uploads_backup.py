"""What is kept of uploads, one that comes back alone, settings and state."""

from __future__ import annotations

import json

import pytest

from espalier_machine.uploads_backup import changes, forget, restore_file, state, tree
from espalier_machine.uploads_backup.config import Config, load
from espalier_machine.uploads_backup.errors import BackupError

from .uploads import SECOND, shots


def test_nothing_is_removed_while_the_newest_snapshot_is_of_the_future() -> None:
    forget.check_clock(shots(1_000 * SECOND, 4_000 * SECOND), now=500)
    with pytest.raises(BackupError, match=r"1970-01-01T01:08:20\+00:00, which is in the future"):
        forget.check_clock(shots(1_000 * SECOND, 4_100 * SECOND), now=499)


def test_who_does_not_keep_the_backups_removes_none() -> None:
    with pytest.raises(BackupError, match="the machine that keeps them does it"):
        forget.forget(Config("shop"))


def test_an_upload_is_named_by_either_path() -> None:
    assert restore_file.relative("a/b.jpg", "/srv/shop/media") == "a/b.jpg"
    assert restore_file.relative("/srv/shop/media/b.jpg", "/srv/shop/media") == "b.jpg"
    assert restore_file.relative("/mnt/b.jpg", "/srv/shop/media", "/mnt") == "b.jpg"
    for given in ("/etc/passwd", "../x", "a/../../x", "", "/srv/shop/media"):
        with pytest.raises(BackupError, match="is no upload"):
            restore_file.relative(given, "/srv/shop/media")


def test_settings_of_another_version_are_read_and_hold_no_secret_in_a_traceback(tmp_path) -> None:
    given = {"site": "shop", "options": ["-o", "x=y"], "environment": {"K": "secret"}, "later": 1}
    (tmp_path / "c.json").write_text(json.dumps(given))
    config = load(tmp_path / "c.json")
    assert config == Config("shop", options=("-o", "x=y"), environment={"K": "secret"})
    assert "secret" not in repr(config)
    with pytest.raises(BackupError, match="uploads of this machine are not backed up"):
        load(tmp_path / "none.json")


def test_a_failure_is_as_old_as_its_first_try() -> None:
    known = state.State()
    known.fails("no answer", 10)
    known.fails("no answer", 20)
    assert (known.error, known.failed) == ("no answer", 10)
    known.succeeds()
    assert known == state.State()


def test_paths_are_literal_for_find() -> None:
    assert changes._literal(tree.Path("/m/a*[b]")) == r"/m/a\*\[b\]"
