"""Directories of the tree that are the site's: they outlive the release that they came with."""

from __future__ import annotations

import pytest

from .fakes import archive, deploy, run_json


def test_every_release_sees_the_same_directory(machine, tmp_path, capsys):
    build = {"writable": ["data", "var/log"]}
    files = {"code/data/seed.txt": "one", "code/data/kept.txt": "shipped"}
    status, _ = deploy(capsys, tmp_path, "r1", "1" * 16, files=files, **build)
    assert status == 0
    place = machine.root / "current/code/data"
    assert (place / "seed.txt").read_text() == "one"
    (place / "kept.txt").write_text("the site's")
    (place / "new.txt").write_text("stored")
    (machine.root / "current/code/var/log/a.log").write_text("line")

    later = {"code/data/kept.txt": "shipped again", "code/data/later.txt": "new"}
    status, _ = deploy(capsys, tmp_path, "r2", "2" * 16, files=later, **build)
    assert (status, machine.live().id) == (0, "r2")
    found = {path.name: path.read_text() for path in place.iterdir()}
    assert found == {
        "seed.txt": "one",
        "kept.txt": "the site's",
        "new.txt": "stored",
        "later.txt": "new",
    }
    assert (machine.root / "current/code/var/log/a.log").read_text() == "line"
    assert (machine.root / "current/shipped/data/kept.txt").read_text() == "shipped again"

    status, _ = run_json(capsys, "rollback")
    assert (status, (place / "later.txt").read_text()) == (0, "new")


def test_what_is_stored_outlives_a_release_that_fails_or_is_cleaned(machine, tmp_path, capsys):
    build = {"writable": ["data"]}
    deploy(capsys, tmp_path, "r1", "1" * 16, **build)
    (machine.data / "data/stored.txt").write_text("stored")
    (tmp_path / "settings.fail").write_text("ValueError: no")
    assert deploy(capsys, tmp_path, "r2", "2" * 16, **build)[0] == 1
    (tmp_path / "settings.fail").unlink()
    for number in "34567":
        deploy(capsys, tmp_path, f"r{number}", number * 16, **build)
    run_json(capsys, "clean")
    assert not (machine.releases / "r1").exists()
    assert (machine.data / "data/stored.txt").read_text() == "stored"


@pytest.mark.parametrize("path", ["/etc", "../x", "data/../../x"])
def test_a_directory_outside_of_the_release_is_refused(machine, tmp_path, capsys, path):
    given = archive(tmp_path / "a.tar.gz", writable=[path])
    status, result = run_json(capsys, "deploy", str(given), "--id", "r1")
    assert (status, result["step"]) == (1, "archive")
    assert f"names {path}, outside of it" in result["error"]
