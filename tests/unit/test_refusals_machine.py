"""A machine that cannot be reached, or is not what a site needs: refused in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.playbooks import (
    HERE,
    assert_refused,
    check_this_machine,
    run_site,
    write_inventory,
)


def test_machine_that_cannot_be_reached(tmp_path: Path) -> None:
    closed = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_user": "root"}
    write_inventory(tmp_path / "inventory", machines={"vps1": closed})
    done = run_site(tmp_path / "inventory")
    assert_refused(
        done,
        "vps1 cannot be reached at 127.0.0.1: connect to host",
        "Check `ansible_host` and `ansible_user` in hosts.yml",
        "`ssh root@127.0.0.1 -p 9`",
        "Nothing was changed.",
    )


def test_one_unreachable_machine_ends_the_run_for_all(tmp_path: Path) -> None:
    closed = {"ansible_host": "127.0.0.1", "ansible_connection": "ssh", "ansible_port": 9}
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE, "spare": closed})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "spare cannot be reached", "Nothing was changed.")
    assert "Refuse a distribution" not in done.stdout


def test_machine_on_which_we_may_not_be_root(tmp_path: Path) -> None:
    sudo = {"ansible_become": True, "ansible_become_user": "daemon"}
    locked = HERE | sudo | {"ansible_become_exe": "/bin/false"}
    write_inventory(tmp_path / "inventory", machines={"vps1": locked})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "vps1", "not work as root", "hosts.yml", "Nothing was changed.")


def test_distribution_that_the_kit_does_not_know(tmp_path: Path) -> None:
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE})
    done = check_this_machine(tmp_path / "inventory", supported="sarge")
    assert_refused(done, "vps1 runs ", "The kit knows Debian 12", "Nothing was changed.")


def test_value_that_a_role_cannot_take(tmp_path: Path) -> None:
    machines = {"vps1": HERE | {"nginx_upload_limit_mb": "lots"}}
    write_inventory(tmp_path / "inventory", machines=machines)
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(
        done,
        "vps1: argument 'nginx_upload_limit_mb'",
        "'lots'",
        "hosts.yml or group_vars/",
        "Nothing was changed.",
    )


def test_private_address_that_the_machine_does_not_have(tmp_path: Path) -> None:
    machines = {"vps1": HERE | {"private_address": "198.18.99.77"}}
    write_inventory(tmp_path / "inventory", machines=machines)
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "vps1 does not have the `private_address` 198.18.99.77", "it has ")


@pytest.mark.parametrize(
    ("said", "is_refused"),
    [
        ({"ssh_from": ["203.0.113.0/24"]}, True),
        ({"ssh_from": ["203.0.113.0/24", "198.18.99.0/24"]}, False),
    ],
)
def test_firewall_that_would_lock_the_run_out(
    tmp_path: Path, said: dict[str, Any], is_refused: bool
) -> None:
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE | {"firewall": said}})
    came_by = {"SSH_CONNECTION": "198.18.99.1 50000 198.18.99.9 22"}
    done = check_this_machine(tmp_path / "inventory", **came_by)
    if is_refused:
        sentence = "vps1 is reached from the address 198.18.99.1, which `firewall: {ssh_from: …}`"
        assert_refused(done, sentence, "Write 198.18.99.1, or a range", "Nothing was changed.")
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_clock_that_is_minutes_off(tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    (tmp_path / "late/sitecustomize.py").write_text(
        "import time\nright = time.time\ntime.time = lambda: right() - 300\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/late exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    late = HERE | {"ansible_python_interpreter": str(python)}
    write_inventory(tmp_path / "inventory", machines={"vps1": late})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "The clock of vps1 is 5.0 minutes", "behind", "Nothing was changed.")
