"""What of Debian a release installs by itself, and the wheels that it keeps."""

from __future__ import annotations

import subprocess

import pytest

from espalier_machine.release import native, wheels
from espalier_machine.release.errors import OutOfMemory, ReleaseError
from espalier_machine.release.machine import Machine

# What uv 0.13.9 printed on machines without a compiler, and without git.
NO_COMPILER = """\
  x Failed to build `psycopg-c==3.3.2`
  ├─▶ The build backend returned an error
  ╰─▶ Call to `cython_backend.build_wheel` failed (exit status: 1)
"""
NO_GIT = """\
error: Failed to download and build `tiny @ git+http://127.0.0.1:9000/tiny.git`
  Caused by: Git executable not found. Ensure that Git is installed and available.
"""


class Debian:
    """Plays dpkg and apt, as a Debian that has some packages and knows some more."""

    def __init__(self, known, installed=(), fails="", conflicts=()):
        """Begin with what is installed; `conflicts` cannot be beside what is installed next."""
        self.known, self.installed, self.fails = {*known, *installed}, [*installed], fails
        self.conflicts = conflicts

    def __call__(self, *argv, timeout=None):
        """Answer one command; takes the place of system.run."""
        out, code = "", 0
        if argv[0] == "dpkg-query":
            there = [name for name in argv[4:] if name in self.installed]
            out, code = "installed\n" * len(there), int(len(there) < len(argv) - 4)
        elif argv[0] == "apt-cache":
            out = f"  Candidate: {'1.0' if argv[2] in self.known else '(none)'}\n"
        elif "install" in argv:
            wanted = argv[argv.index("--no-install-recommends") + 1 :]
            code = int(bool(self.fails) or not self.known.issuperset(wanted))
            out = self.fails
            if self.conflicts and set(self.conflicts) & set(self.installed):
                if "--no-remove" in argv:
                    code, out = 100, "E: Packages need to be removed but remove is disabled.\n"
                else:
                    self.installed = [one for one in self.installed if one not in self.conflicts]
            self.installed += wanted if not code else ()
        return subprocess.CompletedProcess(argv, code, out, "")


@pytest.fixture
def root(monkeypatch):
    """The machine's commands run as root."""
    monkeypatch.setattr(Machine, "drops_privileges", True)

    def play(debian):
        monkeypatch.setattr(native.system, "run", debian)
        return debian

    return play


def test_a_package_without_a_wheel_brings_a_compiler_and_its_headers():
    assert native.missing(NO_COMPILER) == [*native.COMPILER, "libpq-dev"]
    assert native.missing("Failed to build `odd @ file:///x`") == [*native.COMPILER]
    assert native.missing("error: No solution found") == []
    assert "git" in native.missing(NO_GIT)
    # What yarn 1.22, npm 9 and node-gyp printed, and Django 5.2.
    assert native.missing("error Couldn't find the binary git") == ["git"]
    assert native.missing("npm ERR! Error: spawn git ENOENT") == ["git"]
    assert native.missing("gyp ERR! stack Error: not found: make") == [*native.COMPILER]
    assert native.missing("CommandError: Can't find msgfmt. Make sure") == ["gettext"]
    assert "gdal-bin" in native.missing(
        'ImproperlyConfigured: Could not find the GDAL library (tried "gdal").'
    )


def test_libraries_of_installed_packages_are_those_that_their_wheels_lack():
    assert native.needed_to_run("Django==5.2\npsycopg==3.3.2\n") == ["libpq5"]
    assert native.needed_to_run("psycopg==3.3.2\npsycopg-binary==3.3.2\n") == []
    assert native.needed_to_run("python_magic @ git+https://x/y\n") == ["libmagic1t64 | libmagic1"]


def test_a_command_is_run_again_with_what_it_lacked(machine, root):
    debian = root(Debian([*native.COMPILER, "libpq-dev"]))

    def compile_it():
        if "libpq-dev" not in debian.installed:
            raise ReleaseError("install", "no", NO_COMPILER)
        return "built"

    assert native.with_packages(machine, compile_it) == "built"
    assert debian.installed == [*native.COMPILER, "libpq-dev"]
    assert machine.debian_packages == debian.installed


def test_a_command_that_fails_all_the_same_fails_once_nothing_new_is_known(machine, root):
    debian, runs = root(Debian([*native.COMPILER, "libpq-dev"])), []

    def fail():
        runs.append(1)
        raise ReleaseError("install", "no", NO_COMPILER)

    with pytest.raises(ReleaseError, match="no"):
        native.with_packages(machine, fail)
    assert len(runs) == 2
    debian.installed = [*debian.known]
    with pytest.raises(ReleaseError):
        native.with_packages(machine, fail)
    assert len(runs) == 3, "what is there already helps no more"


def test_what_needs_more_memory_brings_no_compiler(machine, root):
    debian = root(Debian([*native.COMPILER]))

    def fail():
        raise OutOfMemory("install", "it needs more memory", NO_COMPILER)

    with pytest.raises(OutOfMemory):
        native.with_packages(machine, fail)
    assert debian.installed == []


def test_the_name_is_taken_that_this_debian_has(machine, root):
    debian = root(Debian(["libmagic1"]))
    assert native.install(machine, ["libmagic1t64 | libmagic1"]) == ["libmagic1"]
    assert native.install(machine, ["libmagic1t64 | libmagic1"]) == []
    assert debian.installed == ["libmagic1"]


def test_what_apt_says_is_told(machine, root):
    root(Debian(["git"], fails="E: Unable to fetch some archives\n"))
    with pytest.raises(ReleaseError, match=r"Debian packages .* Unable to fetch some archives"):
        native.install(machine, ["git"])


def test_a_package_that_somebody_has_installed_is_not_removed(machine, root):
    gnutls = ["libcurl4-gnutls-dev"]
    debian = root(Debian(["libcurl4-openssl-dev"], gnutls, conflicts=gnutls))
    with pytest.raises(ReleaseError, match="remove is disabled"):
        native.install(machine, ["libcurl4-openssl-dev"])
    assert debian.installed == gnutls
    wanted = native.table()["pycurl"]["build"]
    assert native.install(machine, wanted[:1]) == []  # the one that is there does


def test_wheels_that_were_built_are_kept_until_no_virtualenv_has_them(machine):
    machine.ensure_directories()
    cache = machine.cache / "uv/sdists-v11/pypi/psycopg-c/3.3.2/abc"
    cache.mkdir(parents=True)
    built = "psycopg_c-3.3.2-cp313-cp313-linux_x86_64.whl"
    (cache / built).write_text("wheel")
    (cache / "pure-1.0-py3-none-any.whl").write_text("wheel")
    wheels.keep(machine)
    wheels.keep(machine)
    assert [path.name for path in machine.wheels.iterdir()] == [built]
    installed = machine.venvs / "feed/lib/python3.13/site-packages/psycopg_c-3.3.2.dist-info"
    installed.mkdir(parents=True)
    assert wheels.remove_unused(machine) == []
    installed.rmdir()
    assert wheels.remove_unused(machine) == [f"wheels/{built}"]


def test_every_entry_of_the_table_is_one_that_is_read():
    for name, entry in native.table().items():
        assert name == native.requirement_name(name)
        assert entry and entry.keys() <= {"build", "run"}
        assert all(entry.values())


def test_a_repository_that_cannot_be_read_brings_no_compiler():
    output = (
        "error: Failed to download and build `a @ git+https://x/a.git@v1`\n"
        "  cause: Git operation failed\n"
    )
    assert native.missing(output) == []
    assert native.missing(output.replace("Git operation", "Compiler"))


def test_a_source_with_another_hash_brings_no_compiler():
    output = "error: Failed to download and build `a==1`\n  cause: Hash mismatch for `a==1`\n"
    assert native.missing(output) == []
