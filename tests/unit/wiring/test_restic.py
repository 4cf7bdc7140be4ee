"""Where uploads are saved, by what, and on which machine old backups are removed."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

import pytest

from espalier.wiring import restic
from espalier.wiring.backup import backup_settings
from espalier.wiring.packages import packages
from espalier_machine.uploads_backup.config import Config

from .links import link

TLS: restic.Tls = {
    "trusted": "/etc/espalier/tls/authority.crt",
    "certificate": "/etc/espalier/tls/4f",
}
S3 = {
    "to": "s3",
    "bucket": "backups",
    "endpoint": "s3.eu-central-1.example.com",
    "region": "eu-central-1",
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq1CYBgCLXYT5JOlZfKxFTfoBZbKyrFTKpJZ0fEtzxN"
SFTP = {"to": "sftp", "host": "u1.example.com", "user": "u1", "host_key": KEY}


def settings(
    backup: dict[str, Any], links: Any = (), store: Any = None, **secrets: str
) -> dict[str, Any]:
    known = backup_settings(backup, "shop", "production")
    media = "/srv/shop/media"
    return restic.program_settings(known, secrets, links, "shop", media, TLS, store or {})


def test_an_object_store_is_told_its_keys_by_the_environment() -> None:
    assert settings({**S3, "keep": {"days": 30}}, access_key="id", secret_key="key") == {
        "site": "shop",
        "owner": "shop",
        "media": "/srv/shop/media",
        "repository": "s3:https://s3.eu-central-1.example.com/backups/shop/production/uploads",
        "environment": {
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
            "AWS_DEFAULT_REGION": "eu-central-1",
        },
        "options": [],
        "password_file": "/etc/espalier/uploads_backup.passphrase",
        "user": "",
        "keep_days": 30,
        "prunes": True,
        "samples": True,
        "s3": {},
    }


def test_an_sftp_server_is_known_by_the_key_of_the_inventory() -> None:
    found = settings({**SFTP, "port": 23, "path": "/home/shop"})
    assert found["repository"] == "sftp://u1@u1.example.com:23//home/shop/uploads"
    option, command = found["options"]
    assert option == "-o"
    assert command == (
        "sftp.command=ssh -F none -i /etc/espalier/uploads_backup.key -p 23 -o IdentitiesOnly=yes "
        "-o UserKnownHostsFile=/etc/espalier/uploads_backup.known_hosts -o GlobalKnownHostsFile="
        "none -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=20 "
        "-o ServerAliveInterval=30 -o ServerAliveCountMax=4 u1@u1.example.com -s sftp"
    )
    assert (found["environment"], found["prunes"]) == ({}, True)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, f"u1.example.com {KEY}\n"),
        ({"port": 23}, f"[u1.example.com]:23 {KEY}\n"),
        ({"host": "2001:db8::1", "port": 23}, f"[2001:db8::1]:23 {KEY}\n"),
    ],
)
def test_its_line_of_known_hosts(more: dict[str, Any], line: str) -> None:
    known = backup_settings({**SFTP, **more}, "shop", "production")
    assert restic.known_hosts(known) == line
    assert restic.known_hosts(backup_settings(S3, "shop", "production")) == ""


def test_an_ipv6_address_stands_in_brackets_in_a_url_and_not_in_a_command() -> None:
    found = settings({**SFTP, "host": "2001:db8::1"})
    assert found["repository"] == "sftp://u1@[2001:db8::1]:22//shop/production/uploads"
    assert shlex.split(found["options"][1])[-3:] == ["u1@2001:db8::1", "-s", "sftp"]


def test_a_machine_that_keeps_backups_knows_this_one_and_removes_them_itself() -> None:
    links = [link("backup1/restic_repository", "10.0.0.9", 8433, "uploads", "web1/restic")]
    found = settings({"to": "machine"}, links)
    assert found["repository"] == "rest:https://10.0.0.9:8433/"
    assert found["options"] == [
        *("--cacert", "/etc/espalier/tls/authority.crt"),
        *("--tls-client-cert", "/etc/espalier/tls/4f/restic.pem"),
    ]
    assert found["prunes"] is False
    known = backup_settings({"to": "machine"}, "shop", "production")
    assert restic.repository_settings(known, "shop") == {
        "site": "shop",
        "owner": "",
        "media": "",
        "repository": "/var/lib/espalier-backups/shop/production/uploads",
        "environment": {},
        "options": [],
        "password_file": "/etc/espalier/uploads_backup.passphrase",
        "user": "espalier-restic",
        "keep_days": 14,
        "prunes": True,
        "samples": False,
        "s3": {},
    }


def test_uploads_in_an_object_store_are_asked_for_their_versions_only() -> None:
    store = restic.store_settings({"bucket": "photos", "region": "eu-west-1"}, "id", "key")
    assert store == {
        "bucket": "photos",
        "endpoint": "",
        "region": "eu-west-1",
        "access_key": "id",
        "secret_key": "key",
    }
    found = settings(S3, store=store, access_key="a", secret_key="b")
    assert (found["s3"], found["media"], found["prunes"]) == (store, "", False)
    assert found["samples"] is False
    assert (found["repository"], found["environment"]) == ("", {})
    assert restic.store_settings({}, "", "") == {}


def test_no_sample_is_drawn_where_nothing_is_drilled() -> None:
    assert settings({**SFTP, "drill": False})["samples"] is False
    assert settings({**SFTP, "drill": True})["samples"] is True


def test_the_program_knows_all_that_it_is_told() -> None:
    known = backup_settings({"to": "machine"}, "shop", "production")
    names = {field.name for field in fields(Config)}
    assert set(settings(S3, access_key="a", secret_key="b")) == names
    assert set(restic.repository_settings(known, "shop")) == names


def test_an_hour_later() -> None:
    assert restic.an_hour_after("02:30") == "03:30"
    assert restic.an_hour_after("9:05") == "10:05"
    assert restic.an_hour_after("23:45") == "00:45"


def test_packages_of_both_machines() -> None:
    assert packages(["restic"]) == ["restic"]
    assert packages(["restic_repository"]) == ["restic", "rclone"]
