"""The role `restic` begins the first copy of uploads, in a run of its own tasks on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.playbooks import run_playbook

PLAY = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.import_role": {
                    "name": "restic",
                    "tasks_from": "start",
                    "rolespec_validate": False,
                }
            }
        ],
    }
]
BEGUN = ["start --no-block espalier-uploads-backup.service"]


def started(folder: Path, *options: str, copied: bool = False, media: str = "/m") -> list[str]:
    """Run the tasks; gives what systemd was asked for."""
    programs = folder / "bin"
    programs.mkdir()
    systemctl = programs / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\n')
    systemctl.chmod(0o755)
    (folder / "asked").touch()
    if copied:
        (folder / "begun").touch()
    (folder / "play.yml").write_text(json.dumps(PLAY))
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": {}}}}))
    settings: dict[str, Any] = {"media": media, "s3": {}, "prunes": True, "samples": True}
    known = {"restic_settings": settings, "__restic_first_copy": f"{folder}/begun"}
    known["__restic_timers"] = []  # those of this machine stay as they are
    path = f"{programs}:{os.environ['PATH']}"
    words = ("-e", json.dumps(known), *options)
    done = run_playbook(str(folder / "play.yml"), folder / "hosts.yml", *words, PATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout, done.stdout
    return (folder / "asked").read_text().splitlines()


def test_first_copy_of_uploads_is_begun_and_not_waited_for(tmp_path: Path) -> None:
    assert started(tmp_path) == BEGUN


@pytest.mark.parametrize(
    ("options", "differs"),
    [
        ([], {"copied": True}),
        # An object store has them, or another machine.
        ([], {"media": ""}),
        (["--check"], {}),
    ],
)
def test_no_other_copy_is_begun(
    tmp_path: Path, options: list[str], differs: dict[str, Any]
) -> None:
    assert started(tmp_path, *options, **differs) == []
