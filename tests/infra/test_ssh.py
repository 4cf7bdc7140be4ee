"""Who gets in by SSH: whoever has a key that the inventory knows, and nobody else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from espalier.audit import ssh
from espalier.audit.expectations import expectations
from espalier.inventory.read import read
from espalier.inventory.remote import Remote, reach
from espalier.inventory.ssh_config import destinations, direct_address
from espalier.project.name import project_name
from tests.infra.conftest import converge

testinfra_hosts = ["ansible://all"]

NEW = ("-o", "ControlPath=none", "-o", "ControlMaster=no", "-o", "BatchMode=yes")
BY_PASSWORD = ("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1")
# Somebody whom no inventory has.
PERSON = "espalier_test"


@pytest.fixture(scope="module")
def remote(inventory_path: str) -> Iterator[Remote]:
    """The machines, as the command `espalier` reaches them."""
    with reach(read(Path(inventory_path), name_of=project_name)) as found:
        yield found


@pytest.fixture
def login(host: Any, remote: Remote) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Log in to the machine by a connection of its own: ``login("id -un", "-l", "alice")``."""

    def run(line: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        argv = [*remote.command(host.backend.host, [*options, *NEW]), line]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), **environment}
        return subprocess.run(
            argv,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )

    return run


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key that is new."""
    file = tmp_path / "key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "somebody new", "-f", str(file)]
    subprocess.run(argv, check=True)
    return file


@pytest.fixture
def one_is_enough(host: Any, hostvars: dict[str, Any]) -> None:
    """Skip a test that takes a minute on all machines but one: it would show the same on each."""
    if host.backend.host != min(hostvars):
        pytest.skip(f"{min(hostvars)} shows it for all")


@pytest.fixture
def people(
    inventory_path: str, hostvars: dict[str, Any], machine: Callable[[str], Any]
) -> Iterator[Callable[..., str]]:
    """Have other people than the inventory says: ``people({name: {"keys": …}})``."""
    own = next(iter(hostvars.values())).get("ssh") or {}

    def only(users: dict[str, Any]) -> str:
        said = {"ssh": own | {"users": {**own.get("users", {}), **users}}}
        return converge(inventory_path, "--tags", "ssh", "--extra-vars", json.dumps(said))

    yield only
    only({})
    # Only now that nobody lets this account in any more.
    for name in hostvars:
        machine(name).run("userdel -r %s", PERSON)


def takes_passwords(hostvars: dict[str, Any], host: Any) -> bool:
    """Whether the inventory has passwords switched on."""
    return bool((hostvars[host.backend.host].get("ssh") or {}).get("passwords"))


def test_key_lets_in(login: Callable[..., Any]) -> None:
    assert login("true").returncode == 0


def test_no_password_is_asked_for(
    host: Any, hostvars: dict[str, Any], login: Callable[..., Any]
) -> None:
    if takes_passwords(hostvars, host):
        pytest.skip("`ssh: {passwords: true}`")
    for user in ("root", "nobody_at_all"):
        refused = login("true", "-o", f"User={user}", *BY_PASSWORD)
        assert refused.returncode == 255
        # What sshd would have taken stands in the brackets.
        assert "Permission denied (publickey)" in refused.stderr


@pytest.mark.breaks
def test_right_password_of_root_is_refused(
    host: Any, hostvars: dict[str, Any], login: Callable[..., Any], tmp_path: Path
) -> None:
    if takes_passwords(hostvars, host):
        pytest.skip("`ssh: {passwords: true}`")
    ask = tmp_path / "ask"
    ask.write_text("#!/bin/sh\necho quince\n")
    ask.chmod(0o700)
    before = host.check_output("getent shadow root | cut -d: -f2")
    host.check_output("echo root:quince | chpasswd")
    try:
        options = ("-o", "User=root", "-o", "BatchMode=no", *BY_PASSWORD)
        asking = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        assert login("true", *options, **asking).returncode == 255
    finally:
        host.check_output("usermod -p %s root", before)


def test_algorithms_are_those_of_the_policy(host: Any, remote: Remote, auditor: Any) -> None:
    machine = host.backend.host
    found = direct_address(remote.config, destinations(remote.site.variables)[machine])
    if not found:
        pytest.skip("it is behind a bastion")
    policy = expectations().ssh[host.check_output(". /etc/os-release; echo $VERSION_CODENAME")]
    (row,) = ssh.rows(machine, policy, auditor("ssh-audit", *ssh.arguments(policy, *found)))
    assert row.result == "ok"


def test_tunnels_go_on(login: Callable[..., Any]) -> None:
    # As an import has it; bastions and a person's way to the database are `-L` and its like.
    tunnel = ("-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:9")
    assert login("true", *tunnel).returncode == 0
    allowed = login("sudo -n sshd -T 2>/dev/null || sshd -T").stdout.splitlines()
    for setting in ("allowtcpforwarding yes", "gatewayports no", "x11forwarding no"):
        assert setting in allowed


@pytest.mark.breaks
@pytest.mark.usefixtures("one_is_enough")
def test_person_gets_in_and_out_again(
    host: Any, login: Callable[..., Any], key: Path, people: Callable[..., str]
) -> None:
    as_person = ("-o", f"User={PERSON}", "-o", f"IdentityFile={key}", "-o", "IdentitiesOnly=yes")
    # The inventory's own key would come first.
    as_person += ("-i", str(key))
    assert login("true", *as_person).returncode == 255
    public = key.with_suffix(".pub").read_text().strip()
    people({PERSON: {"keys": [public], "sudo": True}})
    assert login("sudo -n id -un", *as_person).stdout.strip() == "root"
    # What they add themselves opens nothing; what they do right now as root ends with the account.
    login(
        "mkdir .ssh; cp /etc/ssh/espalier-keys/* .ssh/authorized_keys; echo mine > notes",
        *as_person,
    )
    with ThreadPoolExecutor() as pool:
        busy = pool.submit(login, "sudo -n sleep 3601", *as_person)
        people({})
        assert busy.result(timeout=30).returncode == 255
    assert host.run("pgrep -fx 'sleep 3601'").rc == 1
    assert login("true", *as_person).returncode == 255
    assert host.run("pgrep -u %s", PERSON).rc == 1
    assert host.check_output("cat /home/%s/notes", PERSON) == "mine"
    # Opened again, without the right to use sudo.
    people({PERSON: {"keys": [public]}})
    assert login("cat notes; sudo -n id -un", *as_person).stdout.strip() == "mine"


@pytest.mark.breaks
@pytest.mark.usefixtures("one_is_enough")
def test_account_that_was_there_is_not_taken_over(
    host: Any, key: Path, people: Callable[..., str]
) -> None:
    host.check_output("useradd %s", PERSON)
    with pytest.raises(AssertionError, match="an account of that name that the kit did not"):
        people({PERSON: {"keys": [key.with_suffix(".pub").read_text().strip()]}})
