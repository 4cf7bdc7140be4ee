"""Archives: what is refused, and what is unpacked."""

from __future__ import annotations

import os
import tarfile

import pytest

from espalier_machine.release.archive import read_build, unpack
from espalier_machine.release.errors import ReleaseError

from .fakes import archive, run_json


def member(name, type=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, target
    return info


@pytest.mark.parametrize(
    "bad",
    [
        [member("../outside")],
        [member("/tmp/espalier-outside")],
        [member("code/../../outside")],
        [member("code/link", tarfile.SYMTYPE, "/etc/passwd")],
        [member("code/link", tarfile.SYMTYPE, "../../outside")],
        [member("d/e/x", tarfile.SYMTYPE, "../.."), member("y", tarfile.SYMTYPE, "d/e/x/../z")],
        [member("code/hard", tarfile.LNKTYPE, "../../../etc/passwd")],
        [member("code/fifo", tarfile.FIFOTYPE)],
        [member("code/device", tarfile.CHRTYPE)],
    ],
)
def test_an_archive_that_leaves_its_directory_is_refused(machine, tmp_path, capsys, bad):
    status, result = run_json(
        capsys, "prepare", str(archive(tmp_path / "a.tar.gz", members=bad)), "--id", "r1"
    )
    assert (status, result["step"]) == (1, "unpack")
    assert "it is refused" in result["error"]
    assert list(machine.build.iterdir()) == list(machine.releases.iterdir()) == []
    assert not (machine.build.parent / "outside").exists()


def test_a_file_of_the_inventory_is_for_the_project_alone(tmp_path):
    secret = member("code/licence.key")
    secret.mode = 0o640
    path = archive(tmp_path / "a.tar.gz", members=[secret])
    (tmp_path / "release").mkdir()
    with open(path, "rb") as file:
        unpack(file, tmp_path / "release")
    assert oct((tmp_path / "release/code/licence.key").stat().st_mode)[-3:] == "640"
    assert oct((tmp_path / "release/code/manage.py").stat().st_mode)[-3:] == "644"


def test_nothing_is_written_through_a_symlink(machine, tmp_path, capsys):
    bad = [member("code/dir", tarfile.SYMTYPE, ".."), member("code/dir/file")]
    status, result = run_json(capsys, "prepare", str(archive(tmp_path / "a.tar.gz", members=bad)))
    assert (status, result["step"]) == (1, "unpack")


def test_an_inner_symlink_is_kept(machine, tmp_path):
    link = member("code/link", tarfile.SYMTYPE, "manage.py")
    with open(archive(tmp_path / "a.tar.gz", members=[link]), "rb") as file:
        unpack(file, machine.build)
    assert os.readlink(machine.build / "code/link") == "manage.py"


def test_other_files_and_other_projects_are_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ReleaseError, match="archive"):
        read_build(tmp_path / "text", "orchard")
    with pytest.raises(ReleaseError) as caught:
        read_build(archive(tmp_path / "a.tar.gz"), "forest")
    assert "holds orchard; this machine runs forest" in caught.value.sentence
