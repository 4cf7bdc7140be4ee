"""A project on the Python index; pip sees only files of the test."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from espalier.project.archive.build import build
from espalier.project.detection.detect import detect
from espalier.project.detection.tree import Found
from espalier.project.errors import ProjectError
from espalier.project.schema import check
from espalier.project.source import process
from espalier.project.source.fetch import fetch
from tests.unit.project.samples import WSGI, write


def wheel(
    directory: Path, files: dict[str, str], name: str = "fruit", version: str = "1.4"
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in (files | metadata).items():
            archive.writestr(member, text)
    return path


PACKAGE = {
    "fruit/__init__.py": "",
    "fruit/__main__.py": "import os\n"
    'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fruit.settings")\n',
    "fruit/settings.py": "INSTALLED_APPS = []\nROOT_URLCONF = 'fruit.urls'\n",
    "fruit/testutils/settings.py": "INSTALLED_APPS = []\n",
    "fruit/wsgi.py": WSGI,
    "fruit/models.py": "",
}


def offline(links: Path):
    """A runner whose pip sees only the files in `links`."""

    def run(argv, **options):
        return process.run([*argv, "--no-index", "--find-links", str(links)], **options)

    return run


def packed_package(tmp_path: Path, run, **values: object):
    checked = check({"package": "Fruit", **values})
    source = fetch(checked, tmp_path, tmp_path / "cache", run)
    return checked, source, detect(checked, source)


def test_package_newest_then_exact_without_network(tmp_path, overlay):
    pytest.importorskip("pip")
    wheel(tmp_path / "links", PACKAGE)
    wheel(tmp_path / "links", PACKAGE, version="1.3")
    checked, source, found = packed_package(tmp_path, offline(tmp_path / "links"))
    assert source.revision == "1.4"
    assert source.description == "package Fruit"
    assert found.settings == Found("fruit.settings", "fruit/__main__.py line 2 of the package")
    assert found.application == Found("fruit.wsgi:application", "fruit/wsgi.py")
    assert any('`version: "1.4"` would keep it' in line for line in found.notes)
    archive = build(checked, source, found, overlay, {"gunicorn": ["gunicorn"]}, tmp_path / "out")
    assert archive.build["requirements"] == {"kind": "package", "path": "", "spec": "Fruit==1.4"}
    with tarfile.open(archive.path) as tar:
        assert [n for n in tar.getnames() if n.startswith("code")] == ["code/manage.py"]
        assert tar.getmember("code/manage.py").mode == 0o755
        text = tar.extractfile("code/manage.py").read().decode()
    assert 'setdefault("DJANGO_SETTINGS_MODULE", "fruit.settings")' in text
    compile(text, "manage.py", "exec")

    def none(argv, **options):
        raise AssertionError("an exact version in the cache needs no program")

    assert packed_package(tmp_path, none, version="1.4")[1].revision == "1.4"


def test_package_unknown_name_and_version(tmp_path):
    pytest.importorskip("pip")
    wheel(tmp_path / "links", PACKAGE)
    run = offline(tmp_path / "links")
    with pytest.raises(ProjectError, match=r'no version "9.9" on the Python index: .* 1.4'):
        packed_package(tmp_path, run, version="9.9")
    with pytest.raises(ProjectError, match="there is no plum on the Python index"):
        packed_package(tmp_path, run, package="plum")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            "ERROR: NewConnectionError: refused\nERROR: No matching distribution",
            "cannot be reached",
        ),
        ("/usr/bin/python: No module named pip", "-m ensurepip"),
        ("ERROR: it broke", "pip cannot download Fruit: ERROR: it broke"),
    ],
)
def test_package_failures_are_sentences(tmp_path, error, sentence):
    def failing(argv, **options):
        return subprocess.CompletedProcess(argv, 1, "", error)

    with pytest.raises(ProjectError, match=sentence):
        packed_package(tmp_path, failing)


def from_file(file: Path):
    """A runner that downloads this very file."""

    def run(argv, **options):
        shutil.copy(file, argv[argv.index("-d") + 1])
        return subprocess.CompletedProcess(argv, 0, "", "")

    return run


def test_package_sdist(tmp_path):
    write(tmp_path / "fruit-2.0", {f"src/{name}": text for name, text in PACKAGE.items()})
    with tarfile.open(tmp_path / "fruit-2.0.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "fruit-2.0", "fruit-2.0")
    _, source, found = packed_package(tmp_path, from_file(tmp_path / "fruit-2.0.tar.gz"))
    assert source.revision == "2.0"
    assert found.settings.value == "fruit.settings"


def test_package_with_one_settings_module_and_no_entry_point(tmp_path):
    files = {"fruit/settings/__init__.py": "ROOT_URLCONF = 'x'", "fruit/wsgi.py": WSGI}
    _, _, found = packed_package(tmp_path, from_file(wheel(tmp_path / "links", files)))
    assert found.settings.value == "fruit.settings"


def test_package_without_or_with_several_settings(tmp_path):
    run = from_file(wheel(tmp_path / "a", {"fruit/wsgi.py": WSGI}))
    with pytest.raises(ProjectError, match="has no settings module of its own"):
        packed_package(tmp_path, run)
    several = {f"fruit/{one}/settings.py": "INSTALLED_APPS = []" for one in ("red", "green")}
    run = from_file(wheel(tmp_path / "b", several, version="1.5"))
    with pytest.raises(ProjectError, match=r"`fruit\.green\.settings`, `fruit\.red\.settings`"):
        packed_package(tmp_path, run)


def test_a_private_index_is_asked_with_its_login_in_no_argument(tmp_path):
    seen = []

    def run(argv, *, environ=None, **options):
        seen.append((" ".join(argv), dict(environ or {})))
        said = "No matching distribution at https://ci:p%40ss@pypi.example.com/simple/"
        return subprocess.CompletedProcess(argv, 1, "", said)

    address = "https://pypi.example.com/simple/"
    with pytest.raises(ProjectError) as caught:
        packed_package(tmp_path, run, index=[address], logins={"pypi.example.com": "ci:p@ss"})
    (argv, environ) = seen[0]
    assert environ["PIP_EXTRA_INDEX_URL"].endswith("https://ci:p%40ss@pypi.example.com/simple/")
    assert "example.com" not in argv
    assert "p%40ss" not in str(caught.value)
