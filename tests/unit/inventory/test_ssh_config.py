"""The ssh configuration as text, and what OpenSSH and pyinfra make of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.connectors.sshuserclient.config import SSHConfig

from espalier.inventory.site import SiteError
from espalier.inventory.ssh_config import (
    command,
    config_file,
    destinations,
    direct_address,
    ssh_config,
)

PERSONAL = """
Host *
    Include ~/.ssh/config
    Include /etc/ssh/ssh_config
"""
MACHINE = {
    "ansible_host": "203.0.113.10",
    "ansible_port": 2222,
    "ansible_user": "deploy",
    "ansible_ssh_private_key_file": "~/keys/my key",
    "ansible_password": "secret",
    "ansible_host_key_checking": False,
    "ansible_timeout": 5,
    "ansible_ssh_args": "-4C -o ControlMaster=auto -o ControlPersist=300s",
    "ansible_ssh_common_args": "-J jump@gate:2200 -oLogLevel=ERROR -o 'ServerAliveInterval 20'",
    "ansible_ssh_extra_args": "-i ~/second -l other -p22",
}


def test_options_stand_in_the_order_of_ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/elsewhere")  # what Ansible goes by
    assert (
        ssh_config({"vps1": MACHINE})
        == """# Made by espalier from the inventory, for one command.

Host vps1 203.0.113.10
    HostName 203.0.113.10
    AddressFamily inet
    Compression yes
    StrictHostKeyChecking no
    Port 2222
    IdentityFile "/elsewhere/keys/my key"
    User deploy
    NumberOfPasswordPrompts 1
    ProxyJump jump@gate:2200
    LogLevel ERROR
    ServerAliveInterval 20
    IdentityFile ~/second
    User other
    Port 22
    ConnectTimeout 5
"""
        + PERSONAL
    )


def test_machine_without_variables_is_left_to_the_persons_configuration() -> None:
    expected = "\n\nHost vps1\n    ConnectTimeout 10\n"
    assert ssh_config({"vps1": {}}).endswith(expected + PERSONAL)


def test_machines_that_share_an_address_are_asked_for_by_name() -> None:
    shared = {"ansible_host": "203.0.113.10"}
    variables = {"a": shared | {"ansible_port": 1}, "b": shared | {"ansible_port": 2}, "c": {}}
    assert destinations(variables) == {"a": "a", "b": "b", "c": "c"}
    assert "\nHost a\n    HostName 203.0.113.10\n    Port 1\n" in ssh_config(variables)


def test_configuration_of_a_machine_stands_in_for_the_persons_one() -> None:
    variables = {
        "vps1": {"ansible_host": "203.0.113.10", "ansible_ssh_common_args": "-F /etc/site/ssh"},
        "vps2": {"ansible_host": "203.0.113.11"},
    }
    assert ssh_config(variables).endswith(
        """
Host * !vps2 !203.0.113.11
    Include /etc/site/ssh

Host * !vps1 !203.0.113.10
    Include ~/.ssh/config
    Include /etc/ssh/ssh_config
"""
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("-L 80:localhost:80", "`ansible_ssh_common_args` of vps1 has -L, which has no place"),
        ("-o", "has -o without a value"),
        ("-o ProxyJump", "has -o ProxyJump. Write -o NAME=VALUE"),
        ("-o 'User=a\nHost *'", "has -o without a value in one line"),
        ("gate", "has gate, which has no place"),
    ],
)
def test_argument_that_no_configuration_has_is_refused(arguments: str, sentence: str) -> None:
    with pytest.raises(SiteError, match=sentence) as refused:
        ssh_config({"vps1": {"ansible_ssh_common_args": arguments}})
    assert refused.value.status == 2


def by_openssh(config: Path, host: str) -> dict[str, str]:
    done = subprocess.run(
        ["ssh", "-G", "-F", str(config), host], capture_output=True, text=True, check=True
    )
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


def by_pyinfra(config: Path, host: str) -> dict[str, Any]:
    parser = SSHConfig()
    with open(config) as file:
        parser.parse(file)
    return dict(parser.lookup(host))


def test_openssh_and_pyinfra_read_the_same(tmp_path: Path) -> None:
    personal = tmp_path / "personal"
    personal.write_text(
        "Host 203.0.113.10\n  ServerAliveInterval 7\n  Port 1\nHost gate\n  Port 2\n"
    )
    machine = {
        "ansible_host": "203.0.113.10",
        "ansible_port": 2222,
        "ansible_user": "deploy",
        "ansible_ssh_common_args": f"-F {personal} -J gate -o UserKnownHostsFile=/dev/null",
    }
    with config_file({"vps1": machine}) as config:
        for host in ("vps1", "203.0.113.10"):
            for found in (by_openssh(config, host), by_pyinfra(config, host)):
                assert found["hostname"] == "203.0.113.10"
                assert found["port"] == "2222"
                assert found["user"] == "deploy"
                assert found["proxyjump"] == "gate"
                assert found["userknownhostsfile"] == "/dev/null"
        for find in (by_openssh, by_pyinfra):
            # Their own lines for the address count, and those for the bastion.
            assert find(config, "203.0.113.10")["serveraliveinterval"] == "7"
            assert find(config, "gate")["port"] == "2"


def test_configuration_is_private_and_goes_away() -> None:
    with config_file({"vps1": MACHINE}, {"askpass": "#!/bin/sh\n"}) as config:
        assert config.parent.stat().st_mode & 0o777 == 0o700
        assert config.stat().st_mode & 0o777 == 0o600
        assert (config.parent / "askpass").stat().st_mode & 0o777 == 0o700
        assert "secret" not in config.read_text()
        assert command(config, "vps1", ["-t"]) == ["ssh", "-F", str(config), "-t", "vps1"]
    assert not config.parent.exists()


def test_address_of_a_machine_is_known_unless_it_is_behind_a_bastion() -> None:
    near = {"ansible_host": "203.0.113.10", "ansible_port": 2222}
    far = {"ansible_host": "203.0.113.11", "ansible_ssh_common_args": "-J gate"}
    with config_file({"near": near, "far": far}) as config:
        assert direct_address(config, "203.0.113.10") == ("203.0.113.10", 2222)
        assert direct_address(config, "203.0.113.11") is None
