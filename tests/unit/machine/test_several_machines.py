"""On a site of several machines, a release that is typed on one of them is refused."""

from __future__ import annotations

import json

import pytest

from .fakes import Holder, archive, run_json


@pytest.fixture
def several(machine):
    """The machine as one of two that run the site."""
    file = machine.config.file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"site_machines": ["app1", "app2"]}))
    return machine


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        (["deploy", "x.tar.gz"], "espalier release"),
        (["prepare", "x.tar.gz"], "espalier release"),
        (["migrate", "r1"], "espalier release"),
        (["switch", "r1"], "espalier release"),
        (["restart"], "espalier release"),
        (["rollback"], "espalier rollback"),
        (["hook", "after_switch"], "espalier release"),
        (["remove", "r1"], "espalier release"),
        (["clean"], "espalier release"),
    ],
)
def test_command_that_changes_one_of_several_is_refused(several, capsys, command, instead):
    status, result = run_json(capsys, *command)
    assert (status, result["step"]) == (2, "usage")
    assert result["error"] == (
        f"orchard runs on app1, app2, and `release {command[0]}` would change this machine only. "
        f"Type on the control machine: {instead}, or add --only-here to change no other one."
    )


def test_only_here_and_the_token_of_the_site_s_lock_pass(several, tmp_path, capsys):
    path = str(archive(tmp_path / "a.tar.gz"))
    assert run_json(capsys, "deploy", path, "--id", "r1")[0] == 2
    assert run_json(capsys, "--only-here", "deploy", path, "--id", "r1")[0] == 0
    assert run_json(capsys, "restart", "--only-here")[0] == 0
    holder = Holder(several)
    assert run_json(capsys, "--token", holder.answer["token"], "restart")[0] == 0
    holder.end()


@pytest.mark.parametrize("command", [["status"], ["list"], ["log"]])
def test_reading_passes(several, capsys, command):
    assert run_json(capsys, *command)[0] == 0


@pytest.mark.parametrize("machines", [[], ["app1"]])
def test_site_of_one_machine_is_released_on_it(machine, tmp_path, capsys, machines):
    file = machine.config.file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"site_machines": machines}))
    assert run_json(capsys, "deploy", str(archive(tmp_path / "a.tar.gz")))[0] == 0
