"""A project that is a package on the Python index: of its files, only some are read here."""

from __future__ import annotations

import os
import posixpath
import re
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from espalier.project.errors import ProjectError
from espalier.project.rules.remotes import with_login
from espalier.project.schema import Project
from espalier.project.source.process import Runner
from espalier.project.source.tree import Source, scan, walk
from espalier.project.words import last_line, note, without_password


def fetch_package(project: Project, cache: Path, run: Runner, where: str) -> Source:
    """The files of `package:` that detection reads; the revision is its version. See `fetch`."""
    name, bracket, extras = project.package.partition("[")
    home = cache / re.sub(r"[-_.]+", "-", name).lower()
    home.mkdir(parents=True, exist_ok=True)
    notes = []
    version = project.version
    tree = home / version
    if not version or not tree.is_dir():
        with tempfile.TemporaryDirectory(dir=home) as temporary:
            file = _download(project, name, Path(temporary), run, where)
            version = version or _version_of(file.name)
            tree = home / version
            if not tree.is_dir():
                unpacked = Path(temporary, "tree")
                _unpack_package(file, unpacked)
                os.rename(unpacked, tree)
    if not project.version:
        what = f'the newest today; `version: "{version}"` would keep it'
        notes.append(note("version", version, what))
    files = scan(tree, walk(tree, skip=False), f"{where}: project.package")
    return Source(tree, files, version, f"package {name}{bracket}{extras}", tuple(notes))


def _download(project: Project, name: str, target: Path, run: Runner, where: str) -> Path:
    wanted = f"{name}=={project.version}" if project.version else name
    # The machine's Python decides what may be installed, not this one: uv says so there.
    pip = [sys.executable, "-P", "-m", "pip", "download", "-q", "--no-input", "--no-deps"]
    argv = [*pip, "--ignore-requires-python", "--progress-bar", "off", "-d", str(target), wanted]
    # In a variable, as other users of this machine see the arguments of a command.
    indexes = [with_login(address, project.logins) for address in project.index]
    extra = [os.environ.get("PIP_EXTRA_INDEX_URL", ""), *indexes]
    environ = {"PIP_EXTRA_INDEX_URL": " ".join(filter(None, extra))} if indexes else {}
    result = run(argv, timeout=900, environ=environ)
    files = [file for file in target.iterdir() if file.name.endswith((".whl", ".tar.gz", ".zip"))]
    if result.returncode == 0 and files:
        return files[0]
    error = without_password(result.stderr + result.stdout)
    start = f"{where}: project.package:"
    if "No module named pip" in error:
        raise ProjectError(
            f"{start} this needs pip beside Ansible's own Python: run {sys.executable} -m ensurepip"
        )
    if re.search(
        r"NewConnection|resolv|Max retries|timed out|Connection|ProxyError|SSLError", error
    ):
        raise ProjectError(
            f"{start} the Python index cannot be reached from this machine "
            f"({last_line(error)}): check the network and pip's configuration."
        )
    known = re.search(r"from versions: ([^)]*)\)", error)
    versions = [] if not known or known[1] == "none" else known[1].split(", ")
    if project.version and versions:
        raise ProjectError(
            f'{where}: project.version: {name} has no version "{project.version}" on the Python '
            f"index: the last ones are {', '.join(versions[-5:])}."
        )
    if "No matching distribution" in error:
        raise ProjectError(f"{start} there is no {wanted} on the Python index: check the spelling.")
    raise ProjectError(f"{start} pip cannot download {wanted}: {last_line(error)}.")


def _version_of(filename: str) -> str:
    if filename.endswith(".whl"):
        return filename.split("-")[1]
    return re.sub(r"\.(tar\.gz|zip)$", "", filename).rpartition("-")[2]


_READ_FROM_PACKAGES = ("wsgi.py", "asgi.py", "manage.py", "__main__.py", "celery.py")


def _unpack_package(file: Path, target: Path) -> None:
    """Unpack the few files of a wheel or sdist that detection reads."""

    def wanted(name: str) -> str:
        path = name
        if not file.name.endswith(".whl"):
            path = re.sub(r"^[^/]+/(src/)?", "", name)
        last = posixpath.basename(path)
        safe = ".." not in path.split("/") and not path.startswith("/")
        useful = last in _READ_FROM_PACKAGES or "settings" in path
        return path if safe and useful and last.endswith(".py") else ""

    def save(name: str, content: bytes) -> None:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    target.mkdir()
    if file.name.endswith(".tar.gz"):
        with tarfile.open(file) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content and wanted(member.name):
                    save(wanted(member.name), content.read())
    else:
        with zipfile.ZipFile(file) as archive:
            for name in filter(wanted, archive.namelist()):
                save(wanted(name), archive.read(name))
