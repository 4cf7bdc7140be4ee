"""Where backups go, in words and for those that ask; and what opens it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.errors import InventoryError
from espalier.wiring.backup import (
    backup_settings,
    destination,
    fingerprint,
    opens,
    room_refusal,
    secret_names,
)
from espalier.wiring.backup_key import generate_ssh_key, public_line, ssh_key_secret

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
S3: dict[str, Any] = {"to": "s3", "bucket": "shop-backups", "endpoint": "s3.example.com:9000"}
SFTP: dict[str, Any] = {"to": "sftp", "host": "u1.example.com", "user": "u1", "host_key": HOST_KEY}
MACHINE: dict[str, Any] = {"to": "machine"}


def settings(given: dict[str, Any]) -> dict[str, Any]:
    return backup_settings(given, "shop", "production")


def test_no_backups_are_nothing() -> None:
    for nothing in ({}, None, ""):
        assert backup_settings(nothing, "shop", "production") == {}
    assert fingerprint({}, {}) == ""
    assert secret_names({}) == []


def test_settings_have_every_default_and_a_path_of_the_environment_s_own() -> None:
    assert settings(S3) == {
        "to": "s3",
        "bucket": "shop-backups",
        "endpoint": "s3.example.com:9000",
        "region": "us-east-1",
        "host": "",
        "user": "",
        "port": 22,
        "host_key": "",
        "path": "/shop/production",
        "at": "02:30",
        "keep": {"days": 14, "full": 2},
        "drill": True,
        "waiting_wal": None,
    }
    assert backup_settings(S3, "shop", "staging")["path"] == "/shop/staging"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({**S3, "path": "/old"}, "/old"),
        ({**SFTP, "path": "/home/u1/shop"}, "/home/u1/shop"),
        # On the machine that keeps them, below a directory of the kit's.
        (MACHINE, "/var/lib/espalier-backups/shop/production"),
        ({**MACHINE, "path": "/old"}, "/var/lib/espalier-backups/old"),
    ],
)
def test_path(given: dict[str, Any], path: str) -> None:
    assert settings(given)["path"] == path


def test_template_may_turn_out_to_be_refused() -> None:
    with pytest.raises(InventoryError) as refused:
        settings({**S3, "endpoint": "http://s3.example.com"})
    assert str(refused.value) == (
        "`backup.endpoint` is 'http://s3.example.com', which is not encrypted on its way. Write "
        "the host that answers HTTPS, such as s3.eu-central-1.amazonaws.com."
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (S3, "s3://shop-backups/shop/production at s3.example.com:9000"),
        (SFTP, "sftp://u1@u1.example.com:22/shop/production"),
        (MACHINE, "the machine of the duty backup, /var/lib/espalier-backups/shop/production"),
    ],
)
def test_words_for_people(given: dict[str, Any], words: str) -> None:
    assert destination(settings(given)) == words


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (S3, ["passphrase", "access_key", "secret_key"]),
        (SFTP, ["passphrase", "ssh_key"]),
        (MACHINE, ["passphrase"]),
    ],
)
def test_secrets_are_those_that_the_destination_takes(
    given: dict[str, Any], names: list[str]
) -> None:
    assert secret_names(settings(given)) == names


SECRETS = {"passphrase": "p", "access_key": "a", "secret_key": "s"}


@pytest.mark.parametrize(
    "differs",
    [
        {"bucket": "other"},
        {"endpoint": "s3.example.org"},
        {"region": "eu-central-1"},
        {"path": "/other"},
    ],
)
def test_fingerprint_is_another_one_where_the_destination_is(differs: dict[str, Any]) -> None:
    before = fingerprint(settings(S3), SECRETS)
    assert fingerprint(settings(dict(reversed(S3.items()))), SECRETS) == before
    assert fingerprint(settings({**S3, **differs}), SECRETS) != before


@pytest.mark.parametrize("key", ["host", "user", "host_key"])
def test_fingerprint_of_a_server(key: str) -> None:
    other = HOST_KEY.replace("tra2tra2tr", "tra2tra2ts") if key == "host_key" else "other"
    before = fingerprint(settings(SFTP), {})
    assert fingerprint({**settings(SFTP), key: other}, {}) != before
    assert fingerprint(settings({**SFTP, "port": 23}), {}) != before


def test_fingerprint_changes_with_a_key_and_not_with_the_hour() -> None:
    before = fingerprint(settings(S3), SECRETS)
    assert len(before) == 16
    assert fingerprint(settings(S3), {**SECRETS, "secret_key": "t"}) != before
    later = {**S3, "at": "04:00", "keep": {"days": 3}, "drill": False, "waiting_wal": "1 GB"}
    assert fingerprint(settings(later), SECRETS) == before


def test_ssh_key_is_one_that_openssh_reads(tmp_path: Path) -> None:
    private = generate_ssh_key()
    assert private != generate_ssh_key()
    file = tmp_path / "key"
    file.write_text(f"{private}\n")
    file.chmod(0o600)
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-P", "", "-f", str(file)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert public_line(private) == f"{shown[0]} {shown[1]} espalier-backup"
    assert shown[0] == "ssh-ed25519"
    # As a vault or an editor may leave it.
    assert public_line(f"\n{private}\n\n") == public_line(private)


def test_public_line_of_what_is_no_key() -> None:
    with pytest.raises(ValueError):
        public_line("grafting wax")


def test_ssh_key_is_made_once_and_is_a_person_s_own(tmp_path: Path) -> None:
    private = ssh_key_secret(tmp_path / ".secrets")
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert ssh_key_secret(tmp_path / ".secrets") == private
    (tmp_path / ".secrets/backup_ssh_key").write_text("mine\n")
    assert ssh_key_secret(tmp_path / ".secrets") == "mine"


@pytest.mark.parametrize(
    ("begins", "passphrase", "expected"),
    [
        ("", "any", True),
        # Of pgBackRest's own list, encrypted with `secret`.
        ("U2FsdGVkX1+DTSAddFegivn+7G/uea6MSbcMFk1HdDI=", "secret", True),
        ("U2FsdGVkX1+DTSAddFegivn+7G/uea6MSbcMFk1HdDI=", "secret\n", True),
        ("U2FsdGVkX1+DTSAddFegivn+7G/uea6MSbcMFk1HdDI=", "another", False),
        ("W2JhY2t1cF0=", "secret", False),  # not encrypted: another program's
    ],
)
def test_passphrase_opens_what_it_has_encrypted(
    begins: str, passphrase: str, expected: bool
) -> None:
    assert opens(passphrase, begins) is expected


@pytest.mark.parametrize(
    ("free", "database", "uploads", "refusal"),
    [
        (None, "5000000000", "5000000000\t/srv/shop/media", ""),
        (12_000_000_000, "5000000000\n", "5000000000\t/srv/shop/media", ""),
        (0, "", "", ""),
        (
            11_000_000_000,
            "5000000000",
            "5000000000\t/srv/shop/media",
            "The destination of `backup` in hosts.yml has 11.0 GB free. The database and the "
            "uploads take 10.0 GB, and a fifth more than that has to be free. Make room there, or "
            "write another destination.",
        ),
    ],
)
def test_first_backup_needs_room_for_all_and_a_fifth_more(
    free: int | None, database: str, uploads: str, refusal: str
) -> None:
    assert room_refusal(free, database, uploads) == refusal
