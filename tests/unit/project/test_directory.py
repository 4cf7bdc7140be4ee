"""A project in a directory, with and without git."""

from __future__ import annotations

import os
import tarfile

import pytest

from espalier.project.archive.build import build
from espalier.project.detection.detect import detect
from espalier.project.errors import ProjectError
from espalier.project.schema import check
from espalier.project.source.fetch import fetch
from tests.unit.project.samples import PLAIN, detected, fetched, git, repository, write


def test_directory_without_git_leaves_out_what_is_not_the_project(tmp_path):
    junk = {
        "__pycache__/a.pyc": "",
        "a.pyc": "",
        "node_modules/x/manage.py": "",
        "env/pyvenv.cfg": "",
        "env/lib/django.py": "",
        ".git-not/x": "kept",
        ".env": "SECRET=1",
        "db.sqlite3": "data",
    }
    _, source = fetched(write(tmp_path / "site", PLAIN | junk))
    assert [file.path for file in source.files] == sorted(
        [*PLAIN, ".git-not/x", ".env", "db.sqlite3"]
    )
    assert source.description == f"directory {tmp_path}/site"


def test_directory_follows_gitignore(tmp_path):
    root = repository(tmp_path / "site", PLAIN | {".gitignore": ".env\nmedia/\n", "gone.txt": ""})
    (root / "gone.txt").unlink()
    write(root, {".env": "S=1", "media/a.jpg": "", "new.py": "", "venv/pyvenv.cfg": ""})
    os.symlink("/usr/bin", root / "venv" / "bin")
    _, source = fetched(root)
    assert source.paths == {*PLAIN, ".gitignore", "new.py"}


def test_directory_inside_a_repository_takes_only_itself(tmp_path):
    root = repository(tmp_path / "all", {"other.txt": "", "site/manage.py": "x"})
    _, source = fetched(root / "site")
    assert source.paths == {"manage.py"}


def test_directory_ignored_by_the_repository_around_it(tmp_path):
    root = repository(tmp_path / "all", {".gitignore": "site/\n"})
    _, source = fetched(write(root / "site", {"manage.py": "x"}))
    assert source.paths == {"manage.py"}


def test_directory_takes_the_files_of_a_submodule(tmp_path):
    inner = repository(tmp_path / "inner", {"lib.py": "x"})
    root = repository(tmp_path / "site", PLAIN)
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub", cwd=root)
    _, source = fetched(root)
    assert source.paths == {*PLAIN, ".gitmodules", "sub/lib.py"}


def test_submodule_that_is_not_fetched_is_noted(tmp_path):
    inner = repository(tmp_path / "inner", {"lib.py": "x"})
    root = repository(tmp_path / "site", PLAIN)
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub", cwd=root)
    git("commit", "-qm", "Use it", cwd=root)
    git("clone", "-q", str(root), str(tmp_path / "clone"), cwd=tmp_path)
    _, source = fetched(tmp_path / "clone")
    assert source.paths == {*PLAIN, ".gitmodules"}
    assert any("submodule sub is not fetched" in note for note in source.notes)


def test_secrets_and_recordings_in_the_project_are_never_packed(tmp_path):
    secrets = {"deploy/production/.secrets/database_password": "x", "deploy/hosts.yml": "x"}
    secrets["deploy/production/.measurements/ledger.jsonl"] = "x"
    _, source = fetched(write(tmp_path / "plain", PLAIN | secrets))
    assert source.paths == {*PLAIN, "deploy/hosts.yml"}
    _, source = fetched(repository(tmp_path / "tracked", PLAIN | secrets))
    assert source.paths == {*PLAIN, "deploy/hosts.yml"}


def test_inventory_in_the_project_is_none_of_its_code(tmp_path):
    inventory = {
        "deploy/production/topology.yml": "---\nplugin: topology\n",
        "deploy/production/group_vars/all/vault.yml": "$ANSIBLE_VAULT",
    }
    # A network's, perhaps; and the project may be the inventory's own directory.
    own = {"network/topology.yml": "switches: []\n", "topology.yml": "plugin: topology\n"}
    _, source = fetched(write(tmp_path / "plain", PLAIN | inventory | own))
    assert source.paths == {*PLAIN, *own}


def test_relative_directory_is_relative_to_the_base(tmp_path):
    write(tmp_path / "orchard", PLAIN)
    checked = check({"directory": "../orchard"})
    source = fetch(checked, tmp_path / "kit", tmp_path / "cache")
    assert source.tree == tmp_path / "orchard"


def test_missing_and_empty_directories(tmp_path):
    with pytest.raises(ProjectError, match=r"nowhere does not exist \(looked at "):
        fetched(tmp_path / "nowhere")
    write(tmp_path, {"file": ""})
    with pytest.raises(ProjectError, match="file is a file"):
        fetched(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProjectError, match="is empty: write the directory"):
        fetched(tmp_path / "empty")


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "mysite/deep/../../../x"])
def test_links_that_leave_the_project_are_refused(tmp_path, target):
    root = write(tmp_path / "site", PLAIN)
    os.symlink(target, root / "leak")
    with pytest.raises(ProjectError, match=r"leak is a link to .*, outside the project"):
        fetched(root)


def test_a_link_that_leaves_through_another_link_is_refused(tmp_path):
    root = write(tmp_path / "site", {"a/b/x": ""})
    os.symlink("../..", root / "a" / "b" / "up")
    os.symlink("a/b/up/../secret", root / "leak")
    with pytest.raises(ProjectError, match="leak is a link"):
        fetched(root)


def test_links_inside_are_kept(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    os.symlink("mysite", root / "alias")
    checked, source = fetched(root)
    found = detect(checked, source)
    archive = build(checked, source, found, overlay, {}, tmp_path / "out")
    with tarfile.open(archive.path) as tar:
        assert tar.getmember("code/alias").linkname == "mysite"


def test_gitignore_without_git_is_said(tmp_path):
    notes = detected(tmp_path, {".gitignore": "x"}).notes
    assert any(".gitignore is not followed" in line for line in notes)
