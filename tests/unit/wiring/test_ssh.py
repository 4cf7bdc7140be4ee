"""What hosts.yml and a machine say of SSH, as inputs of the role."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.wiring import ssh

DEFAULTS = ssh.ssh_settings({})
# A machine as its provider made it.
FRESH: dict[str, Any] = {
    **{"user": "root", "port": 22, "settings": [], "files": [], "passwords": True},
    **{"ports": [22], "allowed": [], "root_is_refused": False, "accounts": {}},
    "names": ["root", "www-data", "debian"],
}
HARDENED = ["PasswordAuthentication no", "KexAlgorithms sntrup761x25519-sha512"]
ALICE = {"alice": {"keys": ["ssh-ed25519 AAAA alice"], "sudo": True}}


def machine(**differs: Any) -> dict[str, Any]:
    """Give what a machine says that differs from a fresh one."""
    return FRESH | differs


@pytest.mark.parametrize(
    ("port", "state", "ports"),
    [
        (None, {}, []),
        # Another file of sshd has it, and nothing is the kit's.
        (None, {"port": 2222}, []),
        (2222, {}, [2222, 22]),
        (2222, {"port": 2222, "settings": ["Port 2222", "Port 22"]}, [2222]),
        (22, {}, [22]),
        # The key is gone from hosts.yml: back to 22, and then to what Debian has.
        (None, {"port": 2222, "settings": ["Port 2222"]}, [22, 2222]),
        (None, {"port": 22, "settings": ["Port 22", "Port 2222"]}, []),
        # Not by SSH, so nobody can be locked out by the port that is left.
        (2222, {"port": 0}, [2222]),
    ],
)
def test_port_by_which_a_run_came_in_stays_open(
    port: int | None, state: dict[str, Any], ports: list[int]
) -> None:
    assert ssh.ssh_ports(port, machine(**state)) == ports


def test_key_is_proven_once_before_a_door_closes() -> None:
    assert ssh.ssh_must_prove(DEFAULTS, FRESH)
    assert not ssh.ssh_must_prove(DEFAULTS, machine(settings=HARDENED))
    assert ssh.ssh_must_prove(DEFAULTS, machine(settings=HARDENED[:1]))
    assert ssh.ssh_must_prove(DEFAULTS, machine(settings=HARDENED[1:]))
    assert ssh.ssh_must_prove(DEFAULTS | {"passwords": True}, FRESH)
    assert not ssh.ssh_must_prove(DEFAULTS | {"passwords": True, "old_clients": True}, FRESH)


def test_accounts_open_close_and_open_again() -> None:
    state = machine(accounts={"alice": False, "bob": True})
    assert ssh.ssh_changed_accounts(ALICE, FRESH) == {"opened": ["alice"], "closed": []}
    assert ssh.ssh_changed_accounts(ALICE, state) == {"opened": ["alice"], "closed": ["bob"]}
    state = machine(accounts={"alice": True, "bob": False})
    assert ssh.ssh_changed_accounts(ALICE, state) == {"opened": [], "closed": []}


def test_users_are_refused_who_would_take_over_or_lock_out() -> None:
    mine = {"names": ["root", "alice"], "accounts": {"alice": True}}
    assert ssh.ssh_refusal(ALICE, FRESH, "shop") == ""
    assert ssh.ssh_refusal(ALICE, machine(**mine), "shop") == ""
    assert "the project's own user" in ssh.ssh_refusal(ALICE, FRESH, "alice")
    taken = ssh.ssh_refusal(ALICE, machine(names=["alice"]), "shop")
    assert "an account of that name that the kit did not make" in taken
    leaving = ssh.ssh_refusal({}, machine(**mine, user="alice"), "shop")
    assert "came in as alice" in leaving and "`ansible_user`" in leaving
    assert ssh.ssh_refusal({}, machine(**mine, user="root"), "shop") == ""
    shut = ssh.ssh_refusal(ALICE, machine(allowed=["deploy"]), "shop")
    assert "lets in only deploy" in shut and "alice of `ssh.users`" in shut
    for allowed in (["deploy", "alice"], ["espalier-users"], ["alice@203.0.113.7"]):
        assert ssh.ssh_refusal(ALICE, machine(allowed=allowed), "shop") == ""


def test_packages_are_those_of_what_is_switched_on() -> None:
    assert ssh.ssh_packages(DEFAULTS) == []
    assert ssh.ssh_packages(DEFAULTS | {"users": ALICE}) == ["sudo"]
    assert ssh.ssh_packages(DEFAULTS | {"fail2ban": True}) == [
        "fail2ban",
        "python3-systemd",
        "nftables",
    ]


def test_exempt_are_addresses_of_the_site() -> None:
    machines = {
        "vps1": {"address": "10.0.0.4", "public_address": "203.0.113.7"},
        "vps2": {"address": "2001:db8::7", "public_address": "vps2.example.com"},
    }
    assert ssh.ssh_exempt({"machines": machines}) == [
        *("127.0.0.1", "::1", "10.0.0.4", "203.0.113.7", "2001:db8::7")
    ]


def test_each_person_has_a_file_of_keys() -> None:
    assert ssh.ssh_key_files(ALICE, "Managed") == [
        {
            "path": "/etc/ssh/espalier-keys/alice",
            "content": "# Managed\nssh-ed25519 AAAA alice\n",
        }
    ]


def test_old_clients_keep_the_algorithms_of_debian() -> None:
    assert ssh.ssh_algorithms("trixie", True) == {}
    assert ssh.ssh_algorithms("trixie", False)["KexAlgorithms"].startswith("mlkem768x25519-sha256,")
    assert "rsa-sha2-512," in ssh.ssh_algorithms("bookworm", False)["HostKeyAlgorithms"]
