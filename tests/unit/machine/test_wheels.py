"""Wheels that one machine has built for the others."""

from __future__ import annotations

import io
import tarfile

import pytest

from espalier_machine.release import native, wheels
from espalier_machine.release.errors import ReleaseError

from .fakes import archive, deploy, run_json

BUILT = "psycopg_c-3.3.2-cp313-cp313-linux_x86_64.whl"


def test_a_release_gives_what_its_virtualenv_has(machine, capsys, tmp_path):
    deploy(capsys, tmp_path, "one", "1111111111111111")
    venv = machine.venvs / machine.require("one").record["venv"]
    (venv / "lib/python3.13/site-packages/psycopg_c-3.3.2.dist-info").mkdir(parents=True)
    (machine.wheels / BUILT).write_text("built")
    (machine.wheels / "uwsgi-2.0-cp313-cp313-linux_x86_64.whl").write_text("of another release")
    other = machine.venvs / "feed/lib/python3.13/site-packages/uwsgi-2.0.dist-info"
    other.mkdir(parents=True)
    status, answer = run_json(capsys, "wheels", "one", str(tmp_path / "wheels.tar"))
    assert (status, answer["wheels"]) == (0, [BUILT])
    (machine.wheels / BUILT).unlink()
    packed = archive(tmp_path / "two.tar.gz", "2222222222222222")
    given = ("--id", "two", "--wheels", str(tmp_path / "wheels.tar"))
    assert run_json(capsys, "prepare", str(packed), *given)[0] == 0
    assert (machine.wheels / BUILT).read_text() == "built"


def test_wheels_are_built_without_a_release(machine, capsys, tmp_path):
    packed = archive(tmp_path / "one.tar.gz", "1111111111111111")
    old = machine.venvs / "feed"
    old.mkdir()
    (old / ".complete").touch()
    (machine.wheels / BUILT).write_text("built for what is not asked for any more")
    file = tmp_path / "wheels.tar"
    status, answer = run_json(capsys, "build-wheels", str(packed), str(file))
    assert (status, answer["wheels"]) == (0, [])
    assert not machine.all() and not list(machine.build.iterdir()), "more than a virtualenv is left"
    assert not old.exists() and not list(machine.wheels.iterdir())
    (venv,) = machine.venvs.iterdir()
    (venv / "lib/python3.13/site-packages/psycopg_c-3.3.2.dist-info").mkdir(parents=True)
    (machine.wheels / BUILT).write_text("built")
    assert run_json(capsys, "build-wheels", str(packed), str(file))[1]["wheels"] == [BUILT]
    with tarfile.open(file) as tar:
        assert tar.getnames() == [BUILT]


def test_packages_that_the_project_names_are_there_before(machine, capsys, tmp_path, monkeypatch):
    asked = []

    def install(machine, wanted, why=""):
        asked.append((list(wanted), list(machine.venvs.iterdir())))

    monkeypatch.setattr(native, "install", install)
    packed = archive(tmp_path / "one.tar.gz", "1111111111111111")
    given = ("--package", "libfruit-dev", "--package=gettext", str(packed), str(tmp_path / "w.tar"))
    assert run_json(capsys, "build-wheels", *given)[0] == 0
    assert asked[0] == (["libfruit-dev", "gettext"], [])


def test_wheels_of_a_live_release_are_no_leftovers(machine, capsys, tmp_path):
    deploy(capsys, tmp_path, "one", "1111111111111111")
    other = archive(tmp_path / "two.tar.gz", "2222222222222222", extra_requirements=["fruit"])
    assert run_json(capsys, "build-wheels", str(other), str(tmp_path / "wheels.tar"))[0] == 0
    assert machine.require("one").python
    assert len(list(machine.venvs.iterdir())) == 2


def test_nothing_but_new_wheels_is_taken(machine, tmp_path):
    machine.ensure_directories()
    (machine.wheels / BUILT).write_text("own")
    names = [BUILT, "../up-1.whl", "/abs-1.whl", "sub/in-1.whl", ".hidden-1.whl", "a.py", "a-1.whl"]
    with tarfile.open(tmp_path / "wheels.tar", "w") as tar:
        link = tarfile.TarInfo("link-1.whl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 5
            tar.addfile(member, io.BytesIO(b"theirs"))
    assert wheels.take(machine, tmp_path / "wheels.tar") == ["a-1.whl"]
    assert sorted(path.name for path in machine.wheels.iterdir()) == ["a-1.whl", BUILT]
    assert (machine.wheels / BUILT).read_text() == "own"
    assert not list(tmp_path.rglob("up-1.whl"))


def test_what_is_no_tar_is_told(machine, tmp_path):
    machine.ensure_directories()
    (tmp_path / "wheels.tar").write_text("an error page")
    with pytest.raises(ReleaseError, match="is no tar of wheels"):
        wheels.take(machine, tmp_path / "wheels.tar")
