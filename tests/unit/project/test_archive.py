"""The archive of a release: the same content is the same file, another is not."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from espalier.project.archive.build import build
from espalier.project.detection.detect import detect
from espalier.project.errors import ProjectError
from tests.unit.project.samples import MANAGE, PLAIN, SETTINGS, fetched, write


def built(root: Path, kit_overlay: Path, out: Path, extra=("gunicorn==27.0.1",), **values: object):
    checked, source = fetched(root, **values)
    found = detect(checked, source)
    return build(checked, source, found, kit_overlay, {"gunicorn": list(extra)}, out)


def test_archive_content(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    (root / "manage.py").chmod(0o700)
    (root / "requirements.txt").chmod(0o600)
    extras = ["django-storages[s3]", "Gunicorn==23"]
    kit = ["gunicorn==27.0.1", "psycopg[binary]==3.3.9"]
    archive = built(root, overlay, tmp_path / "out", kit, extra_requirements=extras)
    revision = archive.build["revision"]
    assert len(revision) == 12
    assert archive.build == {
        "identity": archive.identity,
        "project": "orchard",
        "source": f"directory {root}",
        "version": "",
        "revision": revision,
        "workdir": "code",
        "manage": "manage.py",
        "settings": "mysite.settings",
        "application": "mysite.wsgi:application",
        "interface": "wsgi",
        "overlay": True,
        "apps": [],
        "requirements": {"kind": "requirements", "path": "code/requirements.txt", "spec": ""},
        "extra_requirements": ["psycopg[binary]==3.3.9", "django-storages[s3]", "Gunicorn==23"],
        "python": "",
    }
    assert archive.path == tmp_path / "out" / f"orchard-{archive.identity}.tar.gz"
    with tarfile.open(archive.path) as tar:
        assert tar.getnames() == [
            "build.json",
            "code/manage.py",
            "code/mysite/__init__.py",
            "code/mysite/settings.py",
            "code/mysite/wsgi.py",
            "code/requirements.txt",
            "overlay/espalier_overlay/__init__.py",
            "overlay/espalier_overlay/settings.py",
        ]
        assert json.load(tar.extractfile("build.json")) == archive.build
        assert tar.extractfile("code/manage.py").read().decode() == MANAGE
        assert oct(tar.getmember("code/manage.py").mode) == "0o755"
        assert oct(tar.getmember("code/requirements.txt").mode) == "0o644"
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar} == {(0, 0, 0, "")}


def test_workdir_below_the_root(tmp_path, overlay):
    root = write(tmp_path / "site", {f"backend/{name}": text for name, text in PLAIN.items()})
    build = built(root, overlay, tmp_path / "out").build
    assert build["workdir"] == "code/backend"
    assert build["requirements"]["path"] == "code/backend/requirements.txt"


def test_the_same_content_is_the_same_file(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    one = built(root, overlay, tmp_path / "one")
    for path in root.rglob("*"):
        os.utime(path, (1, 1))
    (root / "manage.py").chmod(0o600)
    two = built(root, overlay, tmp_path / "two")
    assert one.identity == two.identity
    assert one.path.read_bytes() == two.path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "mysite/settings.py").write_text(SETTINGS + "#"),
        lambda root: (root / "new.py").write_text(""),
        lambda root: (root / "mysite/__init__.py").rename(root / "mysite/init.py"),
        lambda root: (root / "manage.py").chmod(0o755),
        lambda root: os.symlink("mysite", root / "alias"),
    ],
)
def test_a_change_changes_identity_and_revision(tmp_path, overlay, change):
    root = write(tmp_path / "site", PLAIN)
    before = built(root, overlay, tmp_path / "out")
    change(root)
    after = built(root, overlay, tmp_path / "out")
    assert before.identity != after.identity
    assert before.build["revision"] != after.build["revision"]


def test_what_is_not_code_changes_the_identity_too(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    other = write(tmp_path / "overlay", {"espalier_overlay/__init__.py": "X = 2"})
    archives = [
        built(root, overlay, tmp_path / "out"),
        built(root, other, tmp_path / "out"),
        built(root, overlay, tmp_path / "out", ["gunicorn==28"]),
        built(root, overlay, tmp_path / "out", overlay=False),
    ]
    assert len({archive.identity for archive in archives}) == 4
    assert len({archive.build["revision"] for archive in archives}) == 1


def test_an_existing_archive_is_not_written_again(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    archive = built(root, overlay, tmp_path / "out")
    archive.path.write_bytes(b"kept")
    assert built(root, overlay, tmp_path / "out").path.read_bytes() == b"kept"


def test_old_archives_are_removed(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    out = tmp_path / "out"
    for number in range(7):
        (root / "n").write_text(str(number))
        archive = built(root, overlay, out)
        os.utime(archive.path, (number + 1, number + 1))
    assert len(list(out.iterdir())) == 5
    assert archive.path.exists()


def test_a_file_that_changes_meanwhile_is_refused(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    checked, source = fetched(root)
    found = detect(checked, source)
    (root / "manage.py").write_text("changed")
    with pytest.raises(ProjectError, match=r"manage\.py changed while it was packed"):
        build(checked, source, found, overlay, {}, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_overlay(tmp_path):
    root = write(tmp_path / "site", PLAIN)
    with pytest.raises(ProjectError, match="the kit's settings overlay is missing"):
        built(root, tmp_path, tmp_path / "out")
