"""Commands whose output a program reads write the same text everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from espalier.environment import plain_environment
from espalier.paths import ANSIBLE_CONFIG

COLOURFUL = {
    "ANSIBLE_FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "FORCE_COLOR": "1",
    "PY_COLORS": "1",
    "TERM": "xterm-256color",
}


def test_what_asks_for_colours_is_left_out() -> None:
    assert plain_environment({"HOME": "/root", "COLUMNS": "40", **COLOURFUL}) == {
        "HOME": "/root",
        "TERM": "xterm-256color",
        "NO_COLOR": "1",
        "COLUMNS": "160",
        "ANSIBLE_CONFIG": str(ANSIBLE_CONFIG),
    }


def test_ansible_settings_of_a_person_stay_unless_they_would_mislead() -> None:
    base = {"ANSIBLE_ROLES_PATH": "/elsewhere", "ANSIBLE_CONFIG": "/elsewhere/ansible.cfg"}
    assert plain_environment(base)["ANSIBLE_ROLES_PATH"] == "/elsewhere"
    bare = plain_environment(base, ansible=False, ANSIBLE_STDOUT_CALLBACK="plan")
    assert "ANSIBLE_ROLES_PATH" not in bare
    assert bare["ANSIBLE_CONFIG"] == str(ANSIBLE_CONFIG)
    assert bare["ANSIBLE_STDOUT_CALLBACK"] == "plan"


@pytest.mark.parametrize("base", [{}, COLOURFUL, {"NO_COLOR": "1"}])
def test_tools_obey(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: dict[str, str]) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in COLOURFUL:
        monkeypatch.delenv(name, raising=False)
    for name, value in base.items():
        monkeypatch.setenv(name, value)
    play = "[{hosts: localhost, gather_facts: false, tasks: [{debug: }]}]"
    (tmp_path / "play.yml").write_text(play)
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, env=plain_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok=1" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
