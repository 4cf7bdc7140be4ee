"""What hosts.yml may say of SSH, and what it is refused with."""

from __future__ import annotations

import base64

import pytest

from espalier.inventory.errors import InventoryError
from espalier.inventory.machine_settings.check import check_settings, settings


def line(kind: str, *fields: bytes) -> str:
    """Give the line of a public key."""
    parts = [len(field).to_bytes(4) + field for field in (kind.encode(), *fields)]
    return f"{kind} {base64.b64encode(b''.join(parts)).decode()}"


ED25519 = line("ssh-ed25519", b"k" * 32)
RSA = line("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 256)
SHORT = line("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 128)
SECURITY_KEY = line("sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:")


def test_nothing_has_the_defaults() -> None:
    assert settings("ssh", None).model_dump() == {
        "port": None,
        "users": {},
        "passwords": False,
        "old_clients": False,
        "fail2ban": False,
    }


def test_keys_are_lines_or_one_line() -> None:
    users = {"alice": {"keys": f"{ED25519}  alice at home\n", "sudo": True}}
    users |= {"bob": {"keys": [RSA, SECURITY_KEY]}}
    assert settings("ssh", {"users": users}).model_dump()["users"] == {
        "alice": {"keys": [f"{ED25519} alice at home"], "sudo": True},
        "bob": {"keys": [RSA, SECURITY_KEY], "sudo": False},
    }


def test_template_is_left_to_the_run() -> None:
    template = "{{ lookup('file', 'alice.pub') }}"
    found = settings("ssh", {"users": {"alice": {"keys": template}}})
    assert found.model_dump()["users"]["alice"]["keys"] == [template]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"users": {"alice": {"keys": []}}}, "`ssh.users.alice.keys` of the machine `vps1` is []"),
        ({"users": {"alice": {}}}, "`ssh.users.alice.keys` of the machine `vps1` is missing. An"),
        ({"users": {"alice": None}}, "`ssh.users.alice` of the machine `vps1` is empty, which"),
        ({"users": {"root": {"keys": ED25519}}}, "`ssh.users.root` of the machine `vps1` is 'roo"),
        ({"users": {"postgres": {"keys": ED25519}}}, "`ssh.users.postgres` of the machine `vps1`"),
        ({"users": {"Al": {"keys": ED25519}}}, "`ssh.users.Al` of the machine `vps1` is 'Al', wh"),
        ({"port": 5432}, "`ssh.port` of the machine `vps1` is 5432, which is postgresql_primary's"),
        ({"port": 443}, "`ssh.port` of the machine `vps1` is 443, which is nginx's. Write another"),
        ({"port": 0}, "`ssh.port` of the machine `vps1` is 0, which cannot be used there"),
        ({"port": 65536}, "`ssh.port` of the machine `vps1` is 65536, which cannot be used there"),
        ({"user": {}}, "`ssh.user` of the machine `vps1` is no key of the kit. Did you mean `us"),
        ({"passwords": "no"}, "`ssh.passwords` of the machine `vps1` is 'no', which cannot be us"),
    ],
)
def test_refuses(value: object, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"ssh": value})
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is not one line"),
        (f"{ED25519}\n{RSA}", "is not one line"),
        ("~/.ssh/id_ed25519.pub", "is '~/.ssh/id_ed25519.pub', which is no public key"),
        (f"restrict {ED25519}", "begins with 'restrict': options are not for this list"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "is a DSA key, which OpenSSH takes no more"),
        (ED25519[:-8], "is a key of which a part is missing or changed"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "is a key of which a part is missing"),
        ("ssh-ed25519", "is a key of which a part is missing"),
        (SHORT, "is an RSA key of less than 2048 bits"),
        ("---- BEGIN SSH2 PUBLIC KEY ----", "is in another program's format"),
    ],
)
def test_refuses_what_is_no_public_key(key: str, why: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"ssh": {"users": {"alice": {"keys": [key]}}}})
    assert str(refusal.value).startswith(f"`ssh.users.alice.keys[0]` of the machine `vps1` {why}")


def test_private_key_is_refused_and_not_repeated() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----"
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"ssh": {"users": {"alice": {"keys": key}}}})
    assert "is a private key" in str(refusal.value)
    assert "b3Blb" not in str(refusal.value)
