"""`make plan`: what a run in check mode would change, told by Ansible itself on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from espalier.plan_report import ADDING, details, installed
from tests.unit.playbooks import HERE, ROOT, run_playbook, write_inventory

STATEMENTS = [*ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]
# An inventory of no site may be this machine.
LOCAL = HERE | {"ansible_connection": "local"}
# Modules that change nothing on a machine.
LOOKING = ("assert", "debug", "fail", "getent", "meta", "stat")


def plan(
    folder: Path,
    tasks: Sequence[Mapping[str, Any]],
    *options: str,
    machines: Mapping[str, Any] | None = None,
    **play: Any,
) -> subprocess.CompletedProcess[str]:
    """Plan a play of these tasks, on this machine if nothing else is said."""
    here = LOCAL | {"ansible_python_interpreter": sys.executable}
    everything = {"all": {"hosts": machines or {"vps1": here}}}
    (folder / "hosts.yml").write_text(json.dumps(everything))
    whole = {"name": "Play", "hosts": "all", "gather_facts": False, "tasks": list(tasks), **play}
    (folder / "play.yml").write_text(json.dumps([whole]))
    return run_plan(str(folder / "play.yml"), folder / "hosts.yml", *options)


def run_plan(playbook: str, inventory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook as `make plan` does."""
    return run_playbook(
        playbook, inventory, "--check", *options, ANSIBLE_STDOUT_CALLBACK="plan", COLUMNS="300"
    )


def write(path: Path, **keys: Any) -> dict[str, Any]:
    """Give a task that writes a file."""
    return {
        "name": "Configure",
        "files": {"files": [{"path": str(path), "content": "wanted\n", **keys}]},
    }


def command(name: str, **variables: str) -> dict[str, Any]:
    """Give a task or handler that runs a command which check mode does not run."""
    return {"name": name, "ansible.builtin.command": "/bin/true", "vars": variables}


def test_change_is_told_with_what_it_interrupts(tmp_path: Path) -> None:
    done = plan(
        tmp_path,
        [write(tmp_path / "site.conf") | {"notify": "Restart the site", "register": "written"}],
        handlers=[
            command(
                "Restart the site",
                changes="{{ written.changed_paths | length }} file",
                interrupts="{{ what }}: they wait",
            )
        ],
        vars={"what": "requests"},
    )
    assert done.stdout.splitlines() == [
        "vps1: 2 changes",
        f"    Configure: {tmp_path}/site.conf",
        "    Restart the site: 1 file",
        "    interrupts requests: they wait",
        "",
        "2 changes on 1 machine; 1 of them may interrupt something.",
    ]
    assert done.returncode == 0
    assert not (tmp_path / "site.conf").exists()


def test_change_that_says_nothing_is_not_taken_for_harmless(tmp_path: Path) -> None:
    tasks = [command("Go on"), command("Go astray", interrupts="{{ nowhere }}")]
    done = plan(tmp_path, [*tasks, command("Rest", interrupts="nothing: it rests")])
    assert done.stdout.count("what it interrupts is not known\n") == 2
    assert "interrupts nothing: it rests" in done.stdout
    assert done.stdout.endswith(
        "3 changes on 1 machine; of 2 it is not known what is interrupted.\n"
    )


def test_nothing_would_change(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("wanted\n")
    asking = command("Ask") | {"changed_when": False}
    never = command("Restart", interrupts="requests: they fail") | {"when": False}
    done = plan(tmp_path, [write(tmp_path / "site.conf"), asking, never])
    assert (done.stdout, done.returncode) == ("Nothing would change.\n", 0)


def test_machines_are_told_apart(tmp_path: Path) -> None:
    here = LOCAL | {"ansible_python_interpreter": sys.executable}
    only = write(tmp_path / "x") | {"when": "inventory_hostname == 'b'"}
    done = plan(tmp_path, [only], machines={"a": here, "b": here, "c": here})
    assert done.stdout.splitlines() == [
        "b: 1 change",
        f"    Configure: {tmp_path}/x",
        "",
        "a, c: nothing would change",
        "",
        "1 change on 1 machine; nothing is interrupted.",
    ]


def test_difference_is_shown_where_it_is_wanted_and_never_a_secret(tmp_path: Path) -> None:
    tasks = [
        write(tmp_path / "site.conf"),
        write(tmp_path / "password", content="hunter22", secret=True),
        command("Tell hunter22's friends", interrupts="nothing") | {"no_log": True},
        {"name": "Make", "ansible.builtin.user": {"name": "nobody", "password": "hunter22"}}
        | {"no_log": True, "when": False},
    ]
    assert "+wanted" not in plan(tmp_path, tasks).stdout
    shown = plan(tmp_path, tasks, "--diff").stdout
    assert "+wanted" in shown and "(secret, changed)" in shown
    assert shown.count("hunter22") == shown.count("Tell hunter22")


def test_services_of_a_loop_are_named() -> None:
    class Result:
        class task:
            action = "ansible.builtin.systemd_service"

        task_fields: ClassVar = {"args": {"name": "{{ item }}", "state": "stopped"}}
        result: ClassVar = {
            "results": [{"name": "blue", "changed": True}, {"name": "green", "changed": False}]
        }

    assert details(Result) == ["blue stopped"]


def test_service_that_is_not_there_yet(tmp_path: Path) -> None:
    run = {
        "name": "Run",
        "vars": {"interrupts": "requests: they fail"},
        "ansible.builtin.systemd_service": {"name": "espalier-nowhere", "state": "restarted"},
        "failed_when": False,
    }
    said = plan(tmp_path, [run]).stdout
    assert "Run: espalier-nowhere started\n" in said
    assert "interrupts nothing: it is not there yet" in said
    assert "  Not there yet, so not looked into: espalier-nowhere." in said
    stopped = {"name": "espalier-nowhere", "state": "stopped"}
    stop = run | {"ansible.builtin.systemd_service": stopped}
    assert plan(tmp_path, [stop]).stdout == "Nothing would change.\n"


@pytest.mark.parametrize(
    ("run", "is_asked"),
    [
        ({}, False),  # a first run: there is no such unit
        ({"status": {"ActiveState": "inactive"}}, False),  # after `espalier remove`: no cluster
        ({"status": {"ActiveState": "active"}}, True),
    ],
)
def test_postgresql_is_asked_only_where_it_runs(
    run: dict[str, Any], is_asked: bool, tmp_path: Path
) -> None:
    role = ROOT / "roles/postgresql"
    tasks = [*tasks_of(role / "handlers/main.yml"), *tasks_of(role / "tasks/main.yml")]
    names = ("Close connections of clients that are not allowed any more", "Make the database")
    asking = [command(t["name"]) | {"when": t["when"]} for t in tasks if t["name"] in names]
    assert len(asking) == len(names)
    done = plan(
        tmp_path,
        asking,
        vars={"postgresql_run": run, "postgresql_primary_address": ""},
        vars_files=[str(role / "vars/main.yml")],
    )
    assert [name in done.stdout for name in names] == [is_asked, is_asked], done.stdout


def test_refusal_is_its_sentence(tmp_path: Path) -> None:
    write_inventory(tmp_path / "inventory", {"directory": "nowhere"})
    done = run_plan("site.yml", tmp_path / "inventory")
    assert done.returncode != 0
    sentence, end = done.stdout.splitlines()
    assert "project.directory" in sentence and "nowhere" in sentence
    assert end == "The plan ends here: mend this, and make it again."


def test_machine_that_does_not_answer(tmp_path: Path) -> None:
    away = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    write_inventory(tmp_path / "inventory", machines={"vps1": away})
    done = run_plan("site.yml", tmp_path / "inventory")
    assert done.returncode != 0
    assert "vps1 cannot be reached at 127.0.0.1: " in done.stdout
    assert done.stdout.count("cannot be reached") == 1
    # Also where no task of the kit says it.
    done = plan(tmp_path, [{"ansible.builtin.ping": {}}], machines={"vps2": away})
    assert done.returncode != 0
    assert done.stdout.startswith("vps2 cannot be reached: ")


def test_error_names_its_role_and_what_was_seen_before_it(tmp_path: Path) -> None:
    role = tmp_path / "roles/site/tasks"
    role.mkdir(parents=True)
    broken = {"name": "Break", "ansible.builtin.fail": {"msg": "no ink"}}
    (role / "main.yml").write_text(json.dumps([write(tmp_path / "x"), broken]))
    done = plan(tmp_path, [], roles=["site"])
    assert done.returncode != 0
    assert f"  site  Configure: {tmp_path}/x" in done.stdout
    assert "vps1, at `site : Break`: no ink" in done.stdout
    assert "changes on" not in done.stdout


def test_packages_are_named_if_they_were_asked_for() -> None:
    said = (
        "Reading state information...\n"
        "The following additional packages will be installed:\n  libz perl\n"
        "The following NEW packages will be installed:\n  libz nginx\n  perl\n"
        "0 upgraded, 3 newly installed, 0 to remove.\n"
    )
    asked = {"name": ["openssl", "nginx", "nginx"]}
    assert installed(asked, said) == ["nginx", "and 2 that they need"]
    assert installed(asked, "") == []


def tasks_of(path: Path) -> Iterator[dict[str, Any]]:
    """Give the tasks of a file, those of blocks too."""
    for task in yaml.safe_load(path.read_text()):
        yield from task.get("block", [task])


def test_each_task_that_does_more_than_write_says_what_it_interrupts() -> None:
    known = ("name", "vars", "when", "register", "become", "become_user", "loop", "no_log")
    silent, speaking = [], 0
    for path in STATEMENTS:
        for task in tasks_of(path):
            module = next(k for k in task if k not in known and not k.endswith("_when"))
            kind = module.rpartition(".")[2]
            looks = task.get("changed_when") is False or kind in LOOKING
            # What check mode cannot run and nobody may see would be in no plan.
            assert not (task.get("no_log") and kind in ("command", "shell")), task["name"]
            includes = kind.startswith(("import_", "include_"))
            only_reads_units = kind == "systemd_service" and "state" not in task[module]
            if looks or includes or only_reads_units or module in ADDING:
                continue
            said = task.get("vars", {}).get("interrupts", "")
            speaking += bool(said)
            if not said:
                silent.append(f"{path.relative_to(ROOT)}: {task['name']}")
    assert silent == []
    assert speaking > 30
