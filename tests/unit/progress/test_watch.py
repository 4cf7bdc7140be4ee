"""`espalier site` and `espalier plan` through the real ansible-playbook; no machine is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from espalier import paths
from espalier.inventory.site import SiteError
from espalier.progress.collect import collect, plan
from espalier.progress.playbook import Playbook
from espalier.progress.watch import watch
from tests.unit.playbooks import HERE, write_inventory

LOCAL = HERE | {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
AWAY = {"ansible_host": "127.0.0.1", "ansible_port": 1}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the directory of logs, of a person without settings of Ansible's."""
    for name in list(os.environ):
        if name.startswith("ANSIBLE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/espalier/logs"


def site(
    folder: Path,
    *plays: Mapping[str, Any],
    machines: int = 1,
    reached: Mapping[str, Any] = LOCAL,
) -> Playbook:
    """Write plays for this machine."""
    whole = [{"hosts": "all", "gather_facts": False, **play} for play in plays]
    (folder / "site.yml").write_text(json.dumps(whole))
    hosts = {f"vps{number + 1}": reached for number in range(machines)}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    return of("-i", str(folder / "hosts.yml"), path=folder / "site.yml")


def of(*arguments: str, path: Path = paths.SITE_PLAYBOOK) -> Playbook:
    return Playbook(path, arguments, {}, "production", "site", "espalier site")


def play(stage: str, *tasks: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    return {"tags": stage, "tasks": list(tasks), **keys}


def log_of(state: Path) -> str:
    (log,) = state.glob("production-*-site.log")
    return log.read_text()


WRITE = {"name": "Write", "ansible.builtin.command": "/bin/true"}
BREAK = {"name": "Break", "ansible.builtin.shell": "echo one; echo 'E: no ink' >&2; exit 3"}
SECRET = {"name": "Tell", "ansible.builtin.command": "echo hunter22", "no_log": True}


def test_lines_of_a_run_and_its_log(tmp_path: Path, state: Path, capsys: Any) -> None:
    handler = {"name": "Restart", "ansible.builtin.command": "/bin/true"}
    playbook = site(
        tmp_path,
        play("base", WRITE | {"notify": "Restart"}, SECRET, handlers=[handler]),
        play("nginx", WRITE | {"changed_when": False}),
        play("retire", WRITE | {"when": False}),
    )
    assert watch(playbook) == 0
    out, err = capsys.readouterr()
    words = [line.split() for line in out.splitlines()]
    assert [one[:2] + one[4:] for one in words[:2]] == [
        ["base", "vps1", "3", "changes"],
        ["nginx", "vps1"],
    ]
    assert words[2][:3] == ["3", "changes", "in"]
    assert (len(words), err) == (3, "")
    log = log_of(state)
    assert "RUNNING HANDLER [Restart]" in log and "PLAY RECAP" in log
    assert "hunter22" not in log and "\x1b" not in log


def test_failure_of_several_machines_is_told_once(tmp_path: Path, state: Path, capsys: Any) -> None:
    ignored = BREAK | {"ignore_errors": True, "name": "Look"}
    playbook = site(tmp_path, play("nginx", ignored, BREAK), machines=2)
    assert watch(playbook) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["nginx failed on vps1, vps2, at `Break`:", "E: no ink"]
    assert lines[2] == "Mend it, and type `espalier site` again: it goes on from here."
    assert lines[3] == f"The whole log: {next(state.iterdir())}"
    assert "E: no ink" in log_of(state)


def test_machine_that_is_gone_is_told_as_a_failure(tmp_path: Path, capsys: Any) -> None:
    playbook = site(tmp_path, play("base", WRITE), reached=AWAY)
    assert watch(playbook) == 1
    assert capsys.readouterr().err.splitlines()[:2] == [
        "base failed on vps1, at `Write`:",
        "it cannot be reached any more: connect to host 127.0.0.1 port 1: Connection refused.",
    ]


def test_json_is_one_object_and_nothing_else(tmp_path: Path, state: Path, capsys: Any) -> None:
    playbook = site(tmp_path, play("base", WRITE, BREAK))
    assert watch(playbook, as_json=True, verbosity=1) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert (told["ok"], told["machines"]) == (False, {"vps1": {"changes": 1}})
    assert told["failures"][0]["sentence"] == "E: no ink"
    assert told["log"] == str(next(state.iterdir()))


def test_verbose_run_shows_ansibles_own_words(tmp_path: Path, state: Path, capsys: Any) -> None:
    playbook = site(tmp_path, play("base", WRITE))
    assert watch(playbook, verbosity=1) == 0
    out = capsys.readouterr().out
    assert "TASK [Write]" in out and "cmd:" in out
    assert out.endswith(f"{log_of(state).splitlines()[-1]}\n1 change in {out.split()[-2]} s.\n")
    assert plan(playbook, verbosity=1) == 0
    assert "PLAY RECAP" in capsys.readouterr().out


def test_refusals_have_the_status_2_in_a_run_and_in_its_plan(tmp_path: Path, capsys: Any) -> None:
    directory = {"directory": str(paths.KIT / "examples/orchard")}
    write_inventory(tmp_path / "away", directory, machines={"vps1": AWAY})
    assert watch(of("-i", str(tmp_path / "away"))) == 2
    out, err = capsys.readouterr()
    assert err.startswith("vps1 cannot be reached at 127.0.0.1: connect to host")
    assert err.endswith("Nothing was changed.\n") and err.count("\n") == 1
    assert "  preflight  vps1" in out and "FAILED" in out
    write_inventory(tmp_path / "wrong", tiers=["redes"])
    assert watch(of("-i", str(tmp_path / "wrong"))) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("`tiers` in hosts.yml has 'redes'") and sentence.count("\n") == 1
    assert plan(of("-i", str(tmp_path / "wrong")), verbosity=0) == 2
    assert capsys.readouterr().err == sentence


def test_interruption_ends_ansible_and_is_told(tmp_path: Path) -> None:
    wait = {"name": "Wait", "ansible.builtin.command": "sleep 60"}
    playbook = site(tmp_path, play("base", WRITE, wait))
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from espalier.progress.playbook import Playbook\n"
        "from espalier.progress.watch import watch\n"
        f"play = Playbook({str(playbook.path)!r}, {playbook.arguments!r}, again='c')\n"
        "sys.exit(watch(play, verbosity=1))"
    )
    pipe = subprocess.PIPE
    job = subprocess.Popen([sys.executable, "-c", script], stdout=pipe, stderr=pipe, text=True)
    assert job.stdout
    assert any("TASK [Write]" in line for line in job.stdout)
    time.sleep(1)
    job.send_signal(signal.SIGINT)  # this process alone, as `kill -INT` does
    _, err = job.communicate(timeout=30)
    assert job.returncode == 130
    assert err.splitlines()[0] == "Interrupted at base, in `Wait`; `c` goes on from here."


def test_what_a_playbook_finds_is_collected(tmp_path: Path, capsys: Any) -> None:
    look = {"name": "Look", "ansible.builtin.command": "echo 7"}
    refuse = {"name": "Refuse", "ansible.builtin.fail": {"msg": "too small. Nothing was changed."}}
    failing = BREAK | {"ignore_errors": True}
    found = collect(site(tmp_path, play("survey", look, failing, refuse)))
    assert found.value("Look", "stdout", "vps1") == "7"
    assert found.failures == ["too small.", "vps1: Break: E: no ink"]
    assert capsys.readouterr() == ("", "")
    with pytest.raises(SiteError, match="could not be found") as refused:
        collect(of("-i", str(tmp_path / "hosts.yml"), path=tmp_path / "none.yml"))
    assert refused.value.status == 2


def test_typed_passwords_reach_ansible_by_its_environment(tmp_path: Path) -> None:
    tell = {"name": "Tell", "ansible.builtin.debug": {"msg": "{{ lookup('env', 'WORD') }}"}}
    one = replace(site(tmp_path, play("survey", tell)), variables={"WORD": "hunter22"})
    assert collect(one).value("Tell", "msg") == "hunter22"
    assert "hunter22" not in repr(one)
