"""The four steps in a row."""

from __future__ import annotations

import gzip
import hashlib
import time

import pytest

from espalier.project.errors import ProjectError
from espalier.project.pack import pack
from espalier.project.rules.build_on import builder, refuse_other_machine
from tests.unit.project.samples import PLAIN, repository, write


def test_packing_again_is_fast(tmp_path, overlay):
    root = repository(tmp_path / "site", PLAIN | {f"app/f{n}.py": "x = 1\n" for n in range(500)})
    for values in (
        {"directory": str(root), "name": "orchard"},
        {"git": str(root), "name": "orchard"},
    ):
        first = pack(values, tmp_path, tmp_path / "cache", overlay)
        started = time.monotonic()
        again = pack(values, tmp_path, tmp_path / "cache", overlay)
        assert again.archive == first.archive
        # 0.05 s at rest on a small machine; the margin is for a busy one.
        assert time.monotonic() - started < 1.5
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


def test_the_identity_of_an_archive_stays(tmp_path):
    # As the kit made them before it was a package: another identity would be another release of a
    # project that did not change.
    write(tmp_path / "site", PLAIN)
    (tmp_path / "site/manage.py").chmod(0o755)
    files = {"__init__.py": "", "settings.py": "X = 1\n"}
    write(tmp_path / "overlay/espalier_overlay", files)
    packed = pack(
        {
            "directory": "site",
            "name": "orchard",
            "processes": {"mailer": "python manage.py mail"},
            "hooks": {"after_switch": ["python manage.py warm_up"]},
        },
        tmp_path,
        tmp_path / "cache",
        tmp_path / "overlay",
        {"gunicorn": ["gunicorn==27.0.1"]},
    )
    assert packed.archive.identity == "b4a16466be814004"
    assert packed.archive.path == tmp_path / "cache/archives/orchard-b4a16466be814004.tar.gz"
    # Not of the compressed bytes: those are zlib's.
    content = gzip.decompress(packed.archive.path.read_bytes())
    assert hashlib.sha256(content).hexdigest() == (
        "596a1fb0a2f93883067c698479946b8854e417f72861c657a6614c7897365205"
    )


def test_only_a_machine_that_runs_django_builds_for_the_others(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    values = {"directory": str(root), "name": "orchard", "build_on": "vps2"}
    plain = pack({**values, "build_on": None}, tmp_path, tmp_path / "cache", overlay)
    packed = pack(values, tmp_path, tmp_path / "cache", overlay, machines=["vps1", "vps2"])
    assert packed.archive.identity == plain.archive.identity, "it is another release"
    with pytest.raises(ProjectError, match=r"build_on: vps2 is no machine that runs Django") as no:
        pack(values, tmp_path, tmp_path / "cache", overlay, machines=["web1"])
    assert str(no.value).endswith("they are `web1`.")


@pytest.mark.parametrize(
    ("stated", "released", "found"),
    [
        ("", ["vps1"], ""),
        ("vps2", ["vps1", "vps2"], "vps2"),
        ("vps2", ["vps1"], ""),
        ("lab", ["vps1"], "lab"),
    ],
)
def test_what_builds(stated, released, found):
    refuse_other_machine(stated, ["vps1", "vps2"], "project.yml")
    assert builder(stated, ["vps1", "vps2"], released) == found
    assert builder("lab", ["lab", "vps1"], ["vps1"]) == "", "the machine goes before the lab's"
