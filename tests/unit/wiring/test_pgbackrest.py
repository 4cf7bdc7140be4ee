"""What pgBackRest, and the program that runs it, are told on each machine."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.inventory.model import Topology
from espalier.inventory.topology import compute
from espalier.wiring import pgbackrest
from espalier.wiring.backup import backup_settings
from espalier_machine.common.forms import THROWAWAY_DATA
from espalier_machine.database_backup import throwaway
from espalier_machine.database_backup.config import Config
from tests.unit.inventory.examples import machines, on_one

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
S3 = {"to": "s3", "bucket": "shop-backups", "endpoint": "s3.eu-central-1.amazonaws.com"}
SFTP = {"to": "sftp", "host": "u1.example.com", "user": "u1", "host_key": HOST_KEY}
MACHINE = {"to": "machine"}
SECRETS = {"passphrase": "grafting-wax", "access_key": "AKIA", "secret_key": "s3cr3t"}
SITE: dict[str, Any] = {
    "stanza": "shop",
    "version": 17,
    "cores": 4,
    "certificate": "/etc/espalier/tls/5f",
    "trusted": "/etc/espalier/tls/authority.crt",
}


def topology(to: str) -> Topology:
    """Return the map of one VPS."""
    keeper = {"backup": ["keeper"]} if to == "machine" else {}
    return compute(machines("vps1", "keeper"), {**on_one(), **keeper}, [], to)


def with_replica(to: str) -> Topology:
    """Return the map of a VPS with two replicas, and perhaps a machine that keeps the copies."""
    duties = {"web": ["vps1"], "app": ["vps1"], "db": ["vps1", "db2", "db3"]}
    duties |= {"backup": ["keeper"]} if to == "machine" else {}
    return compute(machines("vps1", "db2", "db3", "keeper"), duties, ["replicas"], to)


def told(given: dict[str, Any], name: str, where: Topology, **differs: Any) -> pgbackrest.Options:
    """Return what a machine is told."""
    settings = backup_settings(given, "shop", "production")
    return pgbackrest.options(settings, SECRETS, name, where, **{**SITE, **differs})


COMMON = {
    "compress-type": "zst",
    "repo1-bundle": "y",
    "process-max": "2",
    "start-fast": "y",
    "expire-auto": "n",
    "archive-timeout": "120",
    "io-timeout": "15",
    "lock-path": "/var/spool/pgbackrest/lock",
    "log-level-console": "off",
    "log-level-stderr": "warn",
    "log-level-file": "off",
}
TO_S3 = {
    "repo1-path": "/shop/production/database",
    "repo1-cipher-type": "aes-256-cbc",
    "repo1-cipher-pass": "grafting-wax",
    "repo1-type": "s3",
    "repo1-s3-bucket": "shop-backups",
    "repo1-s3-endpoint": "s3.eu-central-1.amazonaws.com",
    "repo1-s3-region": "us-east-1",
    "repo1-s3-uri-style": "host",
    "repo1-s3-key": "AKIA",
    "repo1-s3-key-secret": "s3cr3t",
}
HERE = {"pg1-path": "/var/lib/postgresql/17/main", "pg1-socket-path": "/run/postgresql"}
CERTIFICATE = {
    "ca-file": "/etc/espalier/tls/authority.crt",
    "cert-file": "/etc/espalier/tls/5f/machine.crt",
    "key-file": "/etc/espalier/tls/5f/machine.key",
}


def of_host(what: str) -> dict[str, str]:
    """Return how another machine is known, as options that begin with `what`."""
    return {f"{what}-{key}": value for key, value in CERTIFICATE.items()}


def database(number: int, address: str) -> dict[str, str]:
    """Return how a database on another machine is reached."""
    return {
        f"pg{number}-host": address,
        f"pg{number}-host-type": "tls",
        f"pg{number}-host-port": "8432",
        f"pg{number}-path": "/var/lib/postgresql/17/main",
        f"pg{number}-socket-path": "/run/postgresql",
        **of_host(f"pg{number}-host"),
    }


def test_one_vps_to_an_object_store() -> None:
    assert told(S3, "vps1", topology("s3")) == {
        "global": {**COMMON, **TO_S3},
        "global:restore": {"process-max": "4"},
        "shop": HERE,
    }


def test_object_store_that_is_not_amazon_s_is_asked_by_path_and_may_have_a_port() -> None:
    given = {**S3, "endpoint": "s3.example.com:9000", "region": "nowhere"}
    found = told(given, "vps1", topology("s3"))["global"]
    expected = {
        **TO_S3,
        "repo1-s3-endpoint": "s3.example.com",
        "repo1-s3-region": "nowhere",
        "repo1-s3-uri-style": "path",
        "repo1-storage-port": "9000",
    }
    assert found == {**COMMON, **expected}


def test_server_of_sftp() -> None:
    settings = backup_settings({**SFTP, "port": 23, "path": "/home/u1"}, "shop", "production")
    secrets = {"passphrase": "grafting-wax", "ssh_key": "-----BEGIN"}
    found = pgbackrest.options(settings, secrets, "vps1", topology("sftp"), **SITE)
    assert found["global"] == {
        **COMMON,
        "repo1-path": "/home/u1/database",
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-cipher-pass": "grafting-wax",
        "repo1-type": "sftp",
        "repo1-sftp-host": "u1.example.com",
        "repo1-sftp-host-port": "23",
        "repo1-sftp-host-user": "u1",
        "repo1-sftp-host-key-check-type": "strict",
        "repo1-sftp-known-host": "/etc/pgbackrest/known_hosts",
        "repo1-sftp-host-key-hash-type": "sha256",
        "repo1-sftp-private-key-file": "/etc/pgbackrest/sftp_key",
    }
    # The key is a file of its own.
    assert "-----BEGIN" not in str(found)


@pytest.mark.parametrize(
    ("port", "line"),
    [(22, f"u1.example.com {HOST_KEY}\n"), (23, f"[u1.example.com]:23 {HOST_KEY}\n")],
)
def test_server_is_known_by_its_key(port: int, line: str) -> None:
    settings = backup_settings({**SFTP, "port": port}, "shop", "production")
    assert pgbackrest.known_hosts(settings) == line


KEEPER = {
    "repo1-host": "10.0.0.4",
    "repo1-host-type": "tls",
    "repo1-host-port": "8432",
    **of_host("repo1-host"),
}


def serving(address: str, *clients: str) -> dict[str, Any]:
    """Return how a machine answers others."""
    return {
        "tls-server-address": address,
        "tls-server-port": "8432",
        "tls-server-auth": [f"{client}=shop" for client in clients],
        **of_host("tls-server"),
    }


@pytest.mark.parametrize(
    ("name", "address", "more"),
    [
        ("vps1", "10.0.0.1", {}),
        ("db2", "10.0.0.2", {"backup-standby": "y"}),
        ("db3", "10.0.0.3", {"backup-standby": "y"}),
    ],
)
def test_database_whose_copies_a_machine_keeps(
    name: str, address: str, more: dict[str, str]
) -> None:
    assert told(MACHINE, name, with_replica("machine")) == {
        "global": {**COMMON, **more, **KEEPER, **serving(address, "10.0.0.4")},
        "global:restore": {"process-max": "4"},
        "shop": HERE,
    }


def test_machine_that_keeps_the_copies() -> None:
    assert told(MACHINE, "keeper", with_replica("machine"), cores=1) == {
        "global": {
            **COMMON,
            "process-max": "1",
            # Of a replica, where there is one: the primary has visitors to serve.
            "backup-standby": "y",
            "repo1-path": "/var/lib/espalier-backups/shop/production/database",
            "repo1-cipher-type": "aes-256-cbc",
            "repo1-cipher-pass": "grafting-wax",
            **serving("10.0.0.4", "10.0.0.1", "10.0.0.2", "10.0.0.3"),
        },
        "global:restore": {"process-max": "1"},
        "shop": {**database(1, "10.0.0.1"), **database(2, "10.0.0.2"), **database(3, "10.0.0.3")},
    }
    alone = told(MACHINE, "keeper", topology("machine"))
    assert "backup-standby" not in alone["global"]
    assert alone["shop"] == database(1, "10.0.0.1")


def test_passphrase_is_on_the_machine_that_keeps_the_copies_and_nowhere_else() -> None:
    where = with_replica("machine")
    known = [
        name for name in where["machines"] if "grafting-wax" in str(told(MACHINE, name, where))
    ]
    assert known == ["keeper"]
    for secret in ("AKIA", "s3cr3t"):
        assert not any(secret in str(told(MACHINE, name, where)) for name in where["machines"])


def test_replica_that_makes_the_backups_asks_the_primary() -> None:
    where = with_replica("s3")
    assert told(S3, "db2", where) == {
        "global": {**COMMON, "backup-standby": "y", **TO_S3},
        "global:restore": {"process-max": "4"},
        "shop": {**HERE, **database(2, "10.0.0.1")},
    }
    # The other one makes none, and is as ready as the first.
    assert told(S3, "db3", where) == {
        "global": {**COMMON, "backup-standby": "y", **TO_S3},
        "global:restore": {"process-max": "4"},
        "shop": HERE,
    }
    assert told(S3, "vps1", where) == {
        "global": {**COMMON, **TO_S3, **serving("10.0.0.1", "10.0.0.2", "10.0.0.3")},
        "global:restore": {"process-max": "4"},
        "shop": HERE,
    }


def test_keeper_restores_a_copy_alone() -> None:
    where = with_replica("machine")
    found = pgbackrest.alone_options(told(MACHINE, "keeper", where), "shop")
    assert found == {
        "global": {
            **COMMON,
            "repo1-path": "/var/lib/espalier-backups/shop/production/database",
            "repo1-cipher-type": "aes-256-cbc",
            "repo1-cipher-pass": "grafting-wax",
        },
        "shop": {"pg1-path": "/var/lib/espalier/database-backup/drill/data"},
    }
    assert str(throwaway.FOLDER / "data") == THROWAWAY_DATA
    for name in ("vps1", "db2"):
        assert pgbackrest.alone_options(told(MACHINE, name, where), "shop") == {}
    assert pgbackrest.alone_options(told(S3, "db2", with_replica("s3")), "shop") == {}


@pytest.mark.parametrize(("cores", "copying", "restoring"), [(1, 1, 1), (3, 1, 3), (8, 4, 8)])
def test_half_of_the_cores_copy_and_all_restore(cores: int, copying: int, restoring: int) -> None:
    found = told(S3, "vps1", topology("s3"), cores=cores)
    assert found["global"]["process-max"] == str(copying)
    assert found["global:restore"]["process-max"] == str(restoring)


Program = dict[str, Any]


def program(given: dict[str, Any], name: str, where: Topology) -> Program:
    settings = backup_settings(given, "shop", "production")
    return pgbackrest.program(settings, name, where, stanza="shop", version="17")


def test_program_is_told_all_that_it_reads() -> None:
    keep = {"keep": {"days": 30, "full": 5}, "drill": False, "waiting_wal": "5 GB"}
    found = program({**S3, **keep}, "vps1", topology("s3"))
    assert found == {
        "stanza": "shop",
        "database": "shop",
        "version": "17",
        "destination": "s3://shop-backups/shop/production at s3.eu-central-1.amazonaws.com",
        "part": "primary",
        "makes_backups": True,
        "falls_back": False,
        "keep_days": 30,
        "keep_full": 5,
        "drill": False,
        "waiting_wal": 5_000_000_000,
        "archive_timeout": 60,
        "counts_rows": False,
    }
    assert vars(Config(**found)) == found
    assert program(S3, "vps1", topology("s3"))["waiting_wal"] == 0


NIGHT, LATER, DRILL = "*-*-* 02:30:00", "*-*-* 05:30:00", "*-*-* 03:30:00"
COUNT = "*-*-* 03:25:00"


@pytest.mark.parametrize(
    ("given", "name", "part", "makes", "falls_back", "backup", "drill"),
    [
        (S3, "vps1", "primary", True, True, LATER, ""),
        (S3, "db2", "replica", True, False, NIGHT, DRILL),
        (S3, "db3", "replica", False, False, "", ""),
        (MACHINE, "keeper", "repository", True, False, NIGHT, DRILL),
        (MACHINE, "vps1", "primary", False, False, "", ""),
        (MACHINE, "db2", "replica", False, False, "", ""),
    ],
)
def test_one_machine_makes_backups_and_the_primary_stands_in(
    given: dict[str, Any],
    name: str,
    part: str,
    makes: bool,
    falls_back: bool,
    backup: str,
    drill: str,
) -> None:
    where = with_replica(given["to"])
    found = program(given, name, where)
    assert (found["part"], found["makes_backups"]) == (part, makes)
    assert found["falls_back"] is falls_back
    settings = backup_settings(given, "shop", "production")
    count = COUNT if (given, name) == (MACHINE, "vps1") else ""
    times = {"backup": backup, "drill": drill, "count": count}
    assert pgbackrest.times(settings, name, where) == times
    assert found["counts_rows"] is bool(count)
    # Where nothing is drilled, nothing is compared.
    without = {**settings, "drill": False}
    assert pgbackrest.times(without, name, where)["count"] == ""


def test_alone_the_primary_makes_them_itself() -> None:
    settings = backup_settings({**S3, "at": "23:15"}, "shop", "production")
    assert pgbackrest.makers(topology("s3")) == ["vps1"]
    assert pgbackrest.times(settings, "vps1", topology("s3")) == {
        "backup": "*-*-* 23:15:00",
        "drill": "*-*-* 00:15:00",
        "count": "",
    }
    without = {**settings, "drill": False}
    assert pgbackrest.times(without, "vps1", topology("s3"))["drill"] == ""


@pytest.mark.parametrize(
    ("at", "minutes", "expected"),
    [
        ("2:05", 0, "*-*-* 02:05:00"),
        ("00:00", 60, "*-*-* 01:00:00"),
        ("23:59", 1, "*-*-* 00:00:00"),
    ],
)
def test_time_of_day_as_systemd_takes_it(at: str, minutes: int, expected: str) -> None:
    assert pgbackrest.clock(at, minutes) == expected


def test_who_asks_a_machine() -> None:
    where = with_replica("machine")
    assert {name: pgbackrest.served(name, where) for name in where["machines"]} == {
        "vps1": ["10.0.0.4"],
        "db2": ["10.0.0.4"],
        "db3": ["10.0.0.4"],
        "keeper": ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
    }
    assert pgbackrest.served("vps1", topology("s3")) == []
