"""Files that project.yml puts into a release."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from espalier.project.errors import ProjectError
from espalier.project.pack import pack
from espalier.project.schema import check
from espalier.project.source.added import add_files
from espalier.project.source.process import run as really_run
from espalier.project.source.tree import Source
from tests.unit.project.samples import PLAIN, write

SECRET = "KEY = 'pin 4711'\n"


@pytest.fixture
def packed(tmp_path, overlay):
    write(tmp_path / "site", PLAIN)
    write(tmp_path / "deploy/production", {"ca.pem": "certificate\n"})

    def packed(files=None, run=really_run, **values):
        values = {"directory": "site", "name": "orchard", **values}
        if files is not None:
            values["files"] = files
        inventory = tmp_path / "deploy/production"
        return pack(values, tmp_path, tmp_path / "cache", overlay, inventory=inventory, run=run)

    return packed


def test_files_are_in_the_release_and_shown_without_their_content(packed):
    result = packed({"mysite/keys.py": SECRET, "certs/ca.pem": {"from": "ca.pem"}})
    with tarfile.open(result.archive.path) as tar:
        assert tar.extractfile("code/mysite/keys.py").read().decode() == SECRET
        assert tar.extractfile("code/certs/ca.pem").read() == b"certificate\n"
        assert oct(tar.getmember("code/mysite/keys.py").mode) == "0o640"
    assert "files        mysite/keys.py (from project.yml)" in result.detected.notes
    assert "files        certs/ca.pem (from ca.pem)" in result.detected.notes
    assert result.archive.path.parent.parent.stat().st_mode & 0o077 == 0
    shown = json.dumps(result.archive.build) + repr(result.source) + repr(result.detected)
    assert "4711" not in shown


def test_the_tool_of_a_lock_file_sees_one_that_comes_from_files(packed):
    files = {"poetry.lock": '[[package]]\nname = "django"\n', "pyproject.toml": "[tool.poetry]\n"}
    seen = {}

    def run(argv, **options):
        if "export" not in argv:
            return really_run(argv, **options)
        folder = Path(argv[argv.index("-C") + 1])
        seen.update({path.name: path.read_text() for path in folder.iterdir()})
        return subprocess.CompletedProcess(argv, 0, "django==5.2\n", "")

    result = packed(files, requirements="poetry.lock", run=run)
    assert seen == files
    with tarfile.open(result.archive.path) as tar:
        assert tar.extractfile("code/poetry.lock.txt").read() == b"django==5.2\n"


def test_another_content_is_another_release_and_none_is_the_one_from_before(packed):
    plain = packed().archive.identity
    assert packed({}).archive.identity == plain
    one, other = packed({"a.key": "1"}), packed({"a.key": "2"})
    assert len({plain, one.archive.identity, other.archive.identity}) == 3
    assert packed({"a.key": "1"}).archive.identity == one.archive.identity


def test_a_short_secret_is_not_found_by_a_fast_hash(packed, monkeypatch):
    # Whoever knows all else must pay for each guess: another count of rounds, another identity.
    before = packed({"a.key": "1"}).archive.identity
    monkeypatch.setattr("espalier.project.source.added.ITERATIONS", 2)
    assert packed({"a.key": "1"}).archive.identity != before


def test_detection_sees_them(packed):
    local = "from mysite.settings import *\n"
    result = packed({"mysite/local_settings.py": local}, settings="mysite.local_settings")
    assert result.detected.settings.value == "mysite.local_settings"
    with pytest.raises(ProjectError, match=r"has no module mysite\.local_settings"):
        packed(settings="mysite.local_settings")


def test_a_file_takes_the_place_of_the_project_s_own(packed):
    result = packed({"requirements.txt": "Django==5.2.20\n"})
    assert "files        requirements.txt (from project.yml, in place of its own)" in (
        result.detected.notes
    )
    with tarfile.open(result.archive.path) as tar:
        assert tar.extractfile("code/requirements.txt").read() == b"Django==5.2.20\n"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"x": {"from": "none.pem"}}, "x comes from none.pem, and .*/deploy/production/none.pem "),
        ({"mysite": "a"}, "mysite is a directory of the project"),
        ({"manage.py/x": "a"}, "manage.py is a file in the project, so that manage.py/x cannot"),
    ],
)
def test_what_cannot_be_put_there_is_refused(packed, files, sentence):
    with pytest.raises(ProjectError, match=sentence):
        packed(files)


def test_a_file_that_ansible_vault_has_encrypted_is_not_shipped_as_it_is(packed, tmp_path):
    (tmp_path / "deploy/production/key").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    with pytest.raises(ProjectError, match=r"lookup\('ansible.builtin.file'"):
        packed({"licence.key": {"from": "key"}})


def test_a_package_gets_files_beside_its_manage(tmp_path):
    checked = check({"package": "shop", "files": {"local.py": "X = 1\n"}})
    source = add_files(checked, Source(tmp_path, (), "1.0", "package shop"), tmp_path, "p.yml")
    assert (source.paths, source.read("local.py")) == ({"local.py"}, "X = 1\n")
