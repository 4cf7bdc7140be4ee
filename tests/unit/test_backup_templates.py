"""What the role `pgbackrest` writes: the server's unit, and the script that PostgreSQL calls."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest

from tests.unit.playbooks import ROOT

PROGRAM = {"waiting_wal": 0}


def render(name: str, **variables: Any) -> str:
    """Fill in a template of the role's as Ansible does."""
    loader = jinja2.FileSystemLoader(ROOT / "templates/pgbackrest")
    known = {"ansible_managed": "Written by a test.", "pgbackrest_repository": ""}
    known |= {"pgbackrest_stanza": "shop", "pgbackrest_program": PROGRAM}
    environment = jinja2.Environment(loader=loader, trim_blocks=True)
    return environment.get_template(name).render(known | variables)


@pytest.mark.parametrize(("repository", "gives_way"), [("", True), ("/var/lib/kept", False)])
def test_reading_for_a_backup_gives_way_and_taking_wal_does_not(
    repository: str, gives_way: bool
) -> None:
    lines = render("server.conf.j2", pgbackrest_repository=repository).splitlines()
    assert ("Nice=15" in lines, "CPUWeight=20" in lines) == (gives_way, gives_way)


class Push:
    """The script in a machine of files: what it calls writes down that it was called."""

    def __init__(self, folder: Path) -> None:
        """Have a machine that has not looked since its boot, and a segment that waits."""
        self.folder = folder
        (folder / "pg_wal/archive_status").mkdir(parents=True)
        (folder / "pg_wal/archive_status/000000010000000000000001.ready").touch()
        self.says("look", "true")
        self.says("pgbackrest", "true")

    def says(self, name: str, line: str) -> None:
        """Have a program do what a line of shell says."""
        file = self.folder / name
        file.write_text(f"#!/bin/sh\necho {name} >> {self.folder}/called\n{line}\n")
        file.chmod(0o755)

    def run(self, waiting_wal: int = 0) -> tuple[int, str, list[str]]:
        """Run it; gives the status, the errors, and what was called."""
        program = {"waiting_wal": waiting_wal}
        text = render("archive-push.sh.j2", pgbackrest_program=program, __pgbackrest_state=".")
        text = text.replace("/usr/local/sbin/database-backup", f"{self.folder}/look")
        text = text.replace("/run/postgresql/", f"{self.folder}/")
        (self.folder / "called").write_text("")
        done = subprocess.run(
            ["sh", "-c", text, "sh", "pg_wal/000000010000000000000001"],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stderr, (self.folder / "called").read_text().split()


@pytest.fixture
def push(tmp_path: Path) -> Push:
    """The script."""
    return Push(tmp_path)


def test_wal_is_pushed_after_one_look_since_the_boot(push: Push) -> None:
    assert push.run() == (0, "", ["look", "pgbackrest"])
    assert push.run() == (0, "", ["pgbackrest"])


def test_destination_that_could_not_be_looked_at_is_looked_at_again(push: Push) -> None:
    push.says("look", "exit 1")
    push.says("pgbackrest", "echo 'no answer' >&2; exit 103")
    for _ in range(2):
        assert push.run() == (103, "no answer\n", ["look", "pgbackrest"])


def test_machine_that_was_replaced_pushes_nothing_until_it_is_the_site_s(push: Push) -> None:
    push.says("look", f"touch {push.folder}/overtaken")
    for _ in range(2):  # at once after a boot, and from then on
        status, errors, called = push.run()
        assert (status, called) == (1, ["look"])
        assert errors.startswith("the site was restored on another machine: this one adds nothing")
    # It was restored itself.
    push.says("look", f"rm {push.folder}/overtaken")
    assert push.run() == (0, "", ["look", "pgbackrest"])


def test_machine_that_was_replaced_does_not_fill_its_disk(push: Push) -> None:
    (push.folder / "overtaken").touch()
    assert push.run(16 * 2**20)[0] == 1
    (push.folder / "pg_wal/archive_status/000000010000000000000002.ready").touch()
    assert push.run(16 * 2**20) == (0, "", ["look"])
    assert (push.folder / "dropped").exists()


def test_wal_that_is_dropped_is_marked(push: Push) -> None:
    push.says("pgbackrest", "echo 'WARN: dropped WAL file'")
    assert push.run()[0] == 0
    assert (push.folder / "dropped").exists()
