"""What a machine answers to a task, with a host that runs the commands here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyinfra.connectors.util import CommandOutput, OutputLine

from espalier.rollout import lab
from espalier.rollout.order import Task
from espalier.rollout.transport import Transport

RELEASE = """#!/bin/sh
echo "$*" >> calls
echo 'Traceback: no pears' >&2
exit 1
"""


class Here:
    """As much of pyinfra's host as a transport uses."""

    def __init__(self, folder: Path) -> None:
        """Commands are found in the folder, and run in it."""
        self.folder = folder

    def run_shell_command(self, command: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        """Run a shell line."""
        path = f"{self.folder}:/usr/bin:/bin"
        done = subprocess.run(
            ["sh", "-c", str(command)],
            input=arguments.get("_stdin", ""),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={"PATH": path, "TMPDIR": str(self.folder)},
        )
        lines = [OutputLine("stdout", line) for line in done.stdout.splitlines()]
        lines += [OutputLine("stderr", line) for line in done.stderr.splitlines()]
        return done.returncode == 0, CommandOutput(lines)

    def put_file(self, source: str, target: str) -> bool:
        """Copy a file."""
        Path(target).write_bytes(Path(source).read_bytes())
        return True

    def get_file(self, source: str, target: str) -> bool:
        """Copy a file back."""
        return self.put_file(source, target)


@pytest.fixture
def transport(tmp_path: Path) -> Transport:
    """One machine, whose commands are those of a folder."""
    # Not root there, and sudo that asks for nothing: as a person's own user.
    for name, text in (("id", "echo 1000"), ("sudo", 'shift 2; exec "$@"')):
        program(tmp_path, name, f"#!/bin/sh\n{text}\n")
    return Transport("shop", {"vps1": Here(tmp_path)}, lambda machine: None)  # type: ignore[dict-item]


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_purge_that_fails_is_told(transport: Transport, tmp_path: Path) -> None:
    program(tmp_path, "purge-microcache", "#!/bin/sh\necho 'no space left' >&2\nexit 1\n")
    answer = transport.perform(Task("purge", "vps1", "abc"))
    assert answer.error == "nginx still serves cached pages of the release before: no space left"


def test_purge_names_the_release_and_is_nothing_where_there_is_no_cache(
    transport: Transport, tmp_path: Path
) -> None:
    assert not transport.perform(Task("purge", "vps1", "abc")).failed
    program(tmp_path, "purge-microcache", '#!/bin/sh\necho "$1" > purged\n')
    assert not transport.perform(Task("purge", "vps1", "abc")).failed
    assert (tmp_path / "purged").read_text() == "abc\n"


def test_archive_that_cannot_be_written_is_told_before_it_is_used(
    transport: Transport, tmp_path: Path
) -> None:
    program(tmp_path, "install", "#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
    program(tmp_path, "release", RELEASE)
    transport.archive = tmp_path / "shop-1234.tar.gz"
    transport.archive.write_text("")
    answer = transport.perform(Task("build", "vps1", "r1"))
    assert answer.error == "the archive could not be copied there: No space left on device"
    assert not (tmp_path / "calls").exists()
    assert not list(tmp_path.glob("tmp.*")), "the directory for the copy is left behind"


@pytest.mark.parametrize(
    ("step", "leaves", "typed"),
    [
        ("switch", False, "switch r1"),
        ("switch", True, "rollback r1 --accept all"),
        ("rollback", False, "switch r1"),
        ("rollback", True, "rollback r1 --accept all"),
    ],
)
def test_machine_is_told_whether_a_switch_goes_back(
    transport: Transport, tmp_path: Path, step: str, leaves: bool, typed: str
) -> None:
    program(tmp_path, "release", RELEASE)
    transport.perform(Task(step, "vps1", "r1", leaves=leaves))
    assert (tmp_path / "calls").read_text() == f"--json --project shop {typed}\n"


def test_release_command_that_crashes_shows_its_last_words(
    transport: Transport, tmp_path: Path
) -> None:
    program(tmp_path, "release", RELEASE)
    answer = transport.perform(Task("status", "vps1"))
    assert "does not answer as it should" in answer.error
    assert answer.detail == "Traceback: no pears"


WHEELS = """#!/bin/sh
echo "$*" >> calls
case "$*" in
*" wheels "*) for file; do :; done; printf tar > "$file"
  echo '{"ok": true, "wheels": ["uwsgi-2.0-cp313-cp313-linux_x86_64.whl"]}';;
*) for file; do :; done; cat "$file" > taken; echo '{"ok": true, "changed": true}';;
esac
"""


def test_wheels_of_one_machine_are_handed_to_the_next(transport: Transport, tmp_path: Path) -> None:
    program(tmp_path, "release", WHEELS)
    program(tmp_path, "install", "#!/bin/sh\n")
    transport.archive, transport.wheels = tmp_path / "shop-1234.tar.gz", tmp_path / "wheels.tar"
    transport.archive.write_text("")
    assert transport.perform(Task("wheels", "vps1", "r1")).note == "uwsgi"
    assert not transport.perform(Task("build", "vps1", "r1")).failed
    assert (tmp_path / "taken").read_text() == "tar"
    given, taken = (tmp_path / "calls").read_text().splitlines()
    assert " wheels r1 " in given
    assert " --id r1 --wheels " in taken
    assert not list(tmp_path.glob("tmp.*")), "the directory for the copy is left behind"


def test_nothing_is_copied_where_nothing_was_built(transport: Transport, tmp_path: Path) -> None:
    program(tmp_path, "release", """#!/bin/sh\necho '{"ok": true, "wheels": []}'\n""")
    transport.wheels = tmp_path / "wheels.tar"
    assert transport.perform(Task("wheels", "vps1", "r1")).note == "none was built"
    assert not transport.wheels.exists()


def test_what_a_release_installed_and_took_is_told(transport: Transport, tmp_path: Path) -> None:
    answer = '{"ok": true, "changed": true, "settings": "a.b", "packages": ["gcc", "git"]}'
    program(tmp_path, "release", f"#!/bin/sh\necho '{answer}'\n")
    program(tmp_path, "install", "#!/bin/sh\n")
    transport.archive = tmp_path / "shop-1234.tar.gz"
    transport.archive.write_text("")
    task = Task("build", "vps1", "r1")
    assert transport.perform(task).note == "settings a.b; installed gcc, git"


class Lab:
    """As much of a lab machine as a transport uses: its files are in a folder."""

    def __init__(self, folder: Path, answer: str) -> None:
        """Its Python prints an answer."""
        self.folder, self.answer = folder, answer
        self.typed: list[str] = []

    def run(self, argv: Sequence[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command on its files; the release command writes a tar."""
        here = [f"{self.folder}{word}" if word.startswith("/") else word for word in argv]
        if argv[0].endswith("python3"):
            self.typed.append(" ".join(argv))
            Path(here[-1]).write_text("tar")
            return subprocess.CompletedProcess(argv, 0, self.answer.encode(), b"")
        return subprocess.run(here, input=stdin, capture_output=True)

    def check(self, argv: Sequence[str], stdin: bytes = b"") -> bytes:
        """Run one that goes well."""
        done = self.run(argv, stdin)
        assert not done.returncode, done.stderr
        return done.stdout

    def write(self, path: str, content: bytes, mode: str = "600") -> None:
        """Write a file."""
        file = Path(f"{self.folder}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(int(mode, 8))


@pytest.fixture
def in_lab(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Lab]:
    """A lab machine whose release command answers so, and what a machine and an archive have."""
    settings, uv = tmp_path / "settings", tmp_path / "opt-uv"
    (settings / "build").mkdir(parents=True)
    uv.write_text("uv")
    (settings / "release.json").write_text(json.dumps({"uv": str(uv)}))
    (settings / "build/netrc").write_text("machine a login b password s3cret\n")
    monkeypatch.setattr(
        lab, "project_directories", lambda name: dict.fromkeys(("root", "settings"), str(settings))
    )
    transport.archive, transport.wheels = tmp_path / "shop-1234.tar.gz", tmp_path / "wheels.tar"
    transport.archive.write_text("archive")
    transport.lab, transport.packages = "shop-12345678", ("libfruit-dev", "gettext")

    def made(answer: str) -> Lab:
        machine = Lab(tmp_path / "lab", answer)
        (machine.folder / str(settings)[1:]).mkdir(parents=True, exist_ok=True)

        @contextmanager
        def running(site: str, *given: str) -> Iterator[Lab]:
            assert (site, given[0], given[-1]) == ("shop-12345678", "shop", "Debian 13 on arm64")
            yield machine

        monkeypatch.setattr(lab, "running", running)
        return machine

    return made


TASK = Task("wheels", "lab", like="vps1", platform="Debian 13 on arm64")


def test_a_lab_machine_builds_with_a_machine_s_configuration(
    transport: Transport, in_lab: Callable[[str], Lab], tmp_path: Path
) -> None:
    machine = in_lab('{"ok": true, "wheels": ["uwsgi-2.0-cp313-cp313-linux_x86_64.whl"]}')
    answer = transport.perform(TASK)
    assert (answer.error, answer.note) == ("", "uwsgi")
    assert transport.wheels and transport.wheels.read_text() == "tar"
    settings = machine.folder / str(tmp_path / "settings")[1:]
    assert "s3cret" in (settings / "build/netrc").read_text()
    uv = machine.folder / str(tmp_path / "opt-uv")[1:]
    assert (uv.read_text(), uv.stat().st_mode & 0o777) == ("uv", 0o755)
    (typed,) = machine.typed
    options = "--only-here build-wheels --package=libfruit-dev --package=gettext"
    assert f"--project shop {options} /run/espalier/shop-1234.tar.gz " in typed
    assert "s3cret" not in typed
    (tmp_path / "opt-uv").unlink()
    assert not transport.perform(TASK).failed, "uv is fetched, though it is there"


def test_what_a_lab_machine_cannot_install_is_told(
    transport: Transport, in_lab: Callable[[str], Lab]
) -> None:
    in_lab('{"ok": false, "step": "install", "error": "no pears", "detail": "uv says"}')
    answer = transport.perform(TASK)
    assert (answer.error, answer.detail) == ("install failed: no pears", "uv says")
    assert transport.wheels and not transport.wheels.exists()


def test_configuration_that_cannot_be_read_is_told(
    transport: Transport, in_lab: Callable[[str], Lab], tmp_path: Path
) -> None:
    machine = in_lab("")
    (tmp_path / "settings").rename(tmp_path / "gone")
    answer = transport.perform(TASK)
    assert answer.error.startswith("the configuration of vps1 could not be read: ")
    assert not machine.typed
