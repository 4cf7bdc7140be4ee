"""What hosts.yml may say of backups, and where that puts what copies and what keeps copies."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from espalier.inventory.errors import InventoryError
from espalier.inventory.machine_settings.check import check_settings, settings
from espalier.inventory.topology import compute
from tests.unit.inventory.examples import SIX, SIX_DUTIES, machines, on_one, running, sentences

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
S3 = {"to": "s3", "bucket": "shop-backups", "endpoint": "s3.eu-central-1.amazonaws.com"}
SFTP = {"to": "sftp", "host": "u1.example.com", "user": "u1", "host_key": HOST_KEY}
DEFAULTS = {
    "bucket": "",
    "endpoint": "",
    "region": "us-east-1",
    "host": "",
    "user": "",
    "port": 22,
    "host_key": "",
    "path": "",
    "at": "02:30",
    "keep": {"days": 14, "full": 2},
    "drill": True,
    "waiting_wal": None,
}
EXAMPLES = (
    "Examples: `backup: {to: s3, bucket: shop-backups, endpoint: s3.eu-central-1.amazonaws.com, "
    "region: eu-central-1}`, `backup: {to: sftp, host: u123.example.com, user: u123, host_key: "
    "ssh-ed25519 AAAAC3…}`, `backup: {to: machine}`."
)


@pytest.mark.parametrize("given", [S3, SFTP, {"to": "machine"}])
def test_destination_has_the_defaults(given: dict[str, Any]) -> None:
    assert settings("backup", given).model_dump() == {**DEFAULTS, **given}


def test_all_that_may_be_said() -> None:
    written = yaml.safe_load(
        """
        to: s3
        bucket: shop-backups
        endpoint: https://s3.example.com:9000/
        region: nowhere-1
        path: /shop_1/a.b-c
        at: "2:05"
        keep: {days: 30, full: 5}
        drill: false
        waiting_wal: 1.5 GB
        """
    )
    assert settings("backup", written).model_dump() == {
        **DEFAULTS,
        "to": "s3",
        "bucket": "shop-backups",
        "endpoint": "s3.example.com:9000",
        "region": "nowhere-1",
        "path": "/shop_1/a.b-c",
        "at": "2:05",
        "keep": {"days": 30, "full": 5},
        "drill": False,
        "waiting_wal": 1_500_000_000,
    }
    assert settings("backup", {**SFTP, "port": 23, "keep": {"full": 1}}).model_dump() == {
        **DEFAULTS,
        **SFTP,
        "port": 23,
        "keep": {"days": 14, "full": 1},
    }


@pytest.mark.parametrize(
    ("text", "size"), [("500 MB", 500_000_000), ("5GB", 5_000_000_000), ("2 TB", 2_000_000_000_000)]
)
def test_sizes(text: str, size: int) -> None:
    assert settings("backup", {**S3, "waiting_wal": text}).model_dump()["waiting_wal"] == size


def test_templates_are_left_to_the_run() -> None:
    given = {**S3, "endpoint": "{{ endpoint }}", "path": "{{ path }}"}
    assert settings("backup", given).model_dump() == {**DEFAULTS, **given}
    given = {**SFTP, "host_key": "{{ lookup('file', 'key.pub') }}"}
    assert settings("backup", given).model_dump() == {**DEFAULTS, **given}


OTHER = {"port": 23, "host": "h", "user": "u", "host_key": HOST_KEY}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, f".to` of the machine `vps1` is missing. {EXAMPLES}"),
        (
            "s3",
            f"` of the machine `vps1` is 's3', which cannot be used there. {EXAMPLES}",
        ),
        (
            {"to": "ftp"},
            f".to` of the machine `vps1` is 'ftp', which cannot be used there. {EXAMPLES}",
        ),
        # The map is computed before templates are.
        (
            {"to": "{{ where }}"},
            ".to` of the machine `vps1` is '{{ where }}', which cannot be used there. " + EXAMPLES,
        ),
        (
            {"to": "s3", "endpoint": "s3.example.com"},
            f"` of the machine `vps1` has no `bucket`, which `to: s3` needs. {EXAMPLES}",
        ),
        (
            {"to": "s3", "bucket": "b"},
            f"` of the machine `vps1` has no `endpoint`, which `to: s3` needs. {EXAMPLES}",
        ),
        *(
            (
                {key: value for key, value in SFTP.items() if key != lacks},
                f"` of the machine `vps1` has no `{lacks}`, which `to: sftp` needs. {EXAMPLES}",
            )
            for lacks in ("host", "user", "host_key")
        ),
        *(
            (
                {**S3, key: value},
                f"` of the machine `vps1` has `{key}`, which is of `to: sftp` and not of `to: s3`. "
                f"{EXAMPLES}",
            )
            for key, value in OTHER.items()
        ),
        (
            {**SFTP, "region": "eu-central-1"},
            "` of the machine `vps1` has `region`, which is of `to: s3` and not of `to: sftp`. "
            + EXAMPLES,
        ),
        (
            {"to": "machine", "bucket": "b"},
            "` of the machine `vps1` has `bucket`, which is of `to: s3` and not of `to: machine`. "
            + EXAMPLES,
        ),
        (
            {**S3, "bukcet": "b"},
            ".bukcet` of the machine `vps1` is no key of the kit. Did you mean `bucket`? "
            + EXAMPLES,
        ),
        (
            {**S3, "endpoint": "http://s3.example.com"},
            ".endpoint` of the machine `vps1` is 'http://s3.example.com', which is not encrypted "
            "on its way. Write the host that answers HTTPS, such as s3.eu-central-1.amazonaws.com.",
        ),
        (
            {**S3, "endpoint": "https://s3.example.com/shop"},
            ".endpoint` of the machine `vps1` is 'https://s3.example.com/shop', which is no host. "
            "Write one such as s3.eu-central-1.amazonaws.com, or with a port: s3.example.com:9000.",
        ),
        *(
            (
                {**S3, "path": path},
                f".path` of the machine `vps1` is {path!r}, which is no path that every "
                "destination takes. Write one such as /shop/production: letters, digits, dots, "
                "dashes and underscores between slashes.",
            )
            for path in ("shop", "/", "/shop/", "/a b", "//a", "/grün")
        ),
        # YAML takes an hour without quotes for a number of minutes.
        *(
            (
                {**S3, "at": at},
                f".at` of the machine `vps1` is {at!r}, which is no time of day. Write one such as "
                '"02:30".',
            )
            for at in (150, "24:00", "2", "02:60", None)
        ),
        *(
            (
                {**S3, "waiting_wal": size},
                f".waiting_wal` of the machine `vps1` is {size!r}, which is no size. Write one "
                "such as 5 GB or 500 MB.",
            )
            for size in (5, "5", "5 KB", "-5 GB")
        ),
        (
            {**S3, "keep": {"days": 0}},
            f".keep.days` of the machine `vps1` is 0, which cannot be used there. {EXAMPLES}",
        ),
        (
            {**S3, "keep": {"full": "2"}},
            f".keep.full` of the machine `vps1` is '2', which cannot be used there. {EXAMPLES}",
        ),
        (
            {**S3, "keep": {"weeks": 2}},
            f".keep.weeks` of the machine `vps1` is no key of the kit. {EXAMPLES}",
        ),
        (
            {**S3, "drill": "no"},
            f".drill` of the machine `vps1` is 'no', which cannot be used there. {EXAMPLES}",
        ),
        (
            {**SFTP, "port": 0},
            f".port` of the machine `vps1` is 0, which cannot be used there. {EXAMPLES}",
        ),
        (
            {**SFTP, "host_key": "ssh-ed25519 AAAA"},
            ".host_key` of the machine `vps1` is a key of which a part is missing or changed. "
            "Write the one line of the file that ends in .pub, such as `ssh-ed25519 AAAAC3… "
            "alice`.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"backup": value})
    assert str(refusal.value) == f"`backup{sentence}"


@pytest.mark.parametrize("to", ["s3", "sftp"])
def test_one_vps_copies_its_database_and_its_uploads(to: str) -> None:
    result = compute(machines("vps1"), on_one(), [], to)
    assert running(result) == {
        "nginx": ["vps1"],
        "django": ["vps1"],
        "postgresql_primary": ["vps1"],
        "pgbackrest": ["vps1"],
        "restic": ["vps1"],
    }
    # Nobody else has a part in it.
    assert sentences(result) == sentences(compute(machines("vps1"), on_one(), []))
    vps1 = result["machines"]["vps1"]
    assert (vps1["listens"]["pgbackrest"], vps1["access"]["pgbackrest"]) == ([], [])
    assert (vps1["listens"]["restic"], vps1["access"]["restic"]) == ([], [])


def test_machine_with_the_duty_keeps_the_copies() -> None:
    duties = {**on_one(), "backup": ["keeper", "spare"]}
    result = compute(machines("vps1", "keeper", "spare"), duties, [], "machine")
    assert result["machines"]["keeper"]["services"] == [
        "pgbackrest_repository",
        "restic_repository",
    ]
    assert result["machines"]["spare"]["services"] == []
    assert sentences(result)[2:] == [
        "pgbackrest@vps1 -> pgbackrest_repository@keeper 10.0.0.2:8432 archive",
        "pgbackrest_repository@keeper -> pgbackrest@vps1 10.0.0.1:8432 backup",
        "restic@vps1 -> restic_repository@keeper 10.0.0.2:8433 uploads",
    ]
    keeper, vps1 = result["machines"]["keeper"], result["machines"]["vps1"]
    assert keeper["listens"] == {
        "pgbackrest_repository": [{"address": "10.0.0.2", "port": 8432}],
        "restic_repository": [{"address": "10.0.0.2", "port": 8433}],
    }
    assert keeper["access"] == {
        "pgbackrest_repository": ["10.0.0.1"],
        "restic_repository": ["10.0.0.1"],
    }
    assert vps1["listens"]["pgbackrest"] == [{"address": "10.0.0.1", "port": 8432}]
    assert vps1["access"]["pgbackrest"] == ["10.0.0.2"]


@pytest.mark.parametrize("to", ["", "s3"])
def test_duty_is_nothing_where_copies_go_elsewhere(to: str) -> None:
    duties = {**on_one(), "backup": ["keeper"]}
    result = compute(machines("vps1", "keeper"), duties, [], to)
    assert result["machines"]["keeper"]["services"] == []
    assert ("pgbackrest" in running(result)) is (to == "s3")


def test_replicas_archive_too_and_ask_the_primary_when_a_backup_begins() -> None:
    duties = {"web": ["web1", "web2"], "app": ["web1"], "db": ["db1", "db2", "db3"]}
    result = compute(machines("web1", "web2", "db1", "db2", "db3"), duties, ["replicas"], "s3")
    assert result["services"]["pgbackrest"] == ["db1", "db2", "db3"]
    # Uploads are on the first web machine.
    assert result["services"]["restic"] == ["web1"]
    assert [line for line in sentences(result) if "backrest" in line or "restic" in line] == [
        "pgbackrest@db2 -> pgbackrest@db1 10.0.0.3:8432 backup",
        "pgbackrest@db3 -> pgbackrest@db1 10.0.0.3:8432 backup",
    ]
    assert result["machines"]["db1"]["access"]["pgbackrest"] == ["10.0.0.4", "10.0.0.5"]
    assert result["machines"]["db2"]["access"]["pgbackrest"] == []
    assert result["machines"]["db2"]["listens"]["pgbackrest"] == []


def test_keeper_reaches_every_database() -> None:
    names = machines("web1", "app1", "app2", "db1", "db2", "cache1", "keeper")
    duties = {**SIX_DUTIES, "backup": ["keeper"]}
    result = compute(names, duties, ["replicas"], "machine")
    assert [line for line in sentences(result) if "backrest" in line or "restic" in line] == [
        "pgbackrest@db1 -> pgbackrest_repository@keeper 10.0.0.7:8432 archive",
        "pgbackrest_repository@keeper -> pgbackrest@db1 10.0.0.4:8432 backup",
        "pgbackrest@db2 -> pgbackrest_repository@keeper 10.0.0.7:8432 archive",
        "pgbackrest_repository@keeper -> pgbackrest@db2 10.0.0.5:8432 backup",
        "restic@web1 -> restic_repository@keeper 10.0.0.7:8433 uploads",
    ]
    assert result["machines"]["keeper"]["duties"] == ["backup"]


def test_second_database_machine_without_the_tier_copies_nothing() -> None:
    assert compute(SIX, SIX_DUTIES, [], "s3")["services"]["pgbackrest"] == ["db1"]


BOTH = (
    "`{name}` in hosts.yml has the duty `backup` and {duty}: the copies would be lost together "
    "with what they are of. Give `backup` a machine of its own, at best one of another provider; "
    "or write `backup: {{to: s3, …}}` or `{{to: sftp, …}}`."
)


@pytest.mark.parametrize(
    ("duties", "sentence"),
    [
        (
            {},
            "`backup: {to: machine}` in hosts.yml wants a machine with the duty `backup`, and none "
            "has it. Add one under `all: children:`, such as `backup: {hosts: {backup1: }}`.",
        ),
        (
            {"backups": ["keeper"]},
            "hosts.yml has a group `backups` and no machine in the group `backup`. Did you mean "
            "`backup`? Rename the group `backups` to `backup`.",
        ),
        ({"backup": ["vps1"]}, BOTH.format(name="vps1", duty="web")),
        ({"backup": ["db1"], "db": ["db1"]}, BOTH.format(name="db1", duty="db")),
        ({"backup": ["app2"], "app": ["vps1", "app2"]}, BOTH.format(name="app2", duty="app")),
    ],
)
def test_copies_are_on_no_machine_that_has_what_they_are_of(
    duties: dict[str, list[str]], sentence: str
) -> None:
    with pytest.raises(InventoryError) as refusal:
        names = machines("vps1", "keeper", "db1", "app2")
        compute(names, {**on_one(), **duties}, [], "machine")
    assert str(refusal.value) == sentence


def test_machine_of_the_cache_may_keep_copies() -> None:
    duties = {**on_one(), "cache": ["cache1"], "backup": ["cache1", "vps1"]}
    result = compute(machines("vps1", "cache1"), duties, ["redis"], "machine")
    assert result["services"]["pgbackrest_repository"] == ["cache1"]
