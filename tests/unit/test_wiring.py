"""What playbooks/group_vars makes of an inventory, asked of Ansible itself."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from espalier.environment import plain_environment
from espalier.project.schema import check

ROOT = Path(__file__).resolve().parents[2]

PROJECT = {"directory": "shop", "domains": ["shop.example", "[2001:DB8::1]"]}

VERIFIED = "?sslmode=verify-full&sslrootcert=/etc/espalier/tls/authority.crt"


def found(project: dict[str, Any]) -> dict[str, Any]:
    """What preflight registers of a project; not packed, as no variable needs its files."""
    checked = check(project).model_dump(mode="json", exclude={"environment"})
    return {"project_build": {"name": "shop", "build": {"overlay": True}, "project": checked}}


HOSTS = {
    "all": {
        "vars": {
            "tiers": [],
            "project_found": found(PROJECT),
            "project": PROJECT,
            "ansible_facts": {"distribution_release": "trixie"},
        },
        "hosts": {
            "app1": {"ansible_host": "198.18.99.1", "memory_mb": 16384, "cores": 32},
            "db1": {"ansible_host": "198.18.99.2", "memory_mb": 2048, "cores": 1},
        },
        "children": {
            "web": {"hosts": {"app1": {}}},
            "app": {"hosts": {"app1": {}}},
            "db": {"hosts": {"db1": {}}},
        },
    }
}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("inventory"), HOSTS)


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one machine of 1 GiB with everything, redis included."""
    hosts = deepcopy(HOSTS)
    everything = hosts["all"]
    everything["vars"]["tiers"] = ["redis"]
    everything["vars"]["project"]["environment"] = {"REDIS_URL": "$ESPALIER_QUEUE_URL"}
    everything["hosts"] = {"vps1": {"ansible_host": "198.18.99.1", "memory_mb": 1024, "cores": 4}}
    everything["children"] = {duty: {"hosts": {"vps1": {}}} for duty in ("web", "app", "db")}
    return write(tmp_path_factory.mktemp("cached"), hosts)


def write(folder: Path, hosts: dict[str, Any]) -> Path:
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts, sort_keys=False))
    (folder / "topology.yml").write_text("plugin: topology\n")
    return folder


def value(inventory: Path, machine: str, expression: str) -> Any:
    """Evaluate a variable on a machine, without reaching it."""
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible")), machine, "-i", str(inventory)),
            *(
                "-m",
                "ansible.builtin.debug",
                "-a",
                f"var={expression}",
                "--playbook-dir",
                "playbooks",
            ),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=plain_environment(ANSIBLE_CALLBACK_RESULT_FORMAT="json"),
    )
    assert "SUCCESS" in done.stdout, done.stdout + done.stderr
    return json.loads(done.stdout.split("=>", 1)[1])[expression]


def test_connections_are_counted_where_django_runs_not_where_the_database_does(
    inventory: Path,
) -> None:
    # 33 processes with 5 connections on the app machine, twice during a switch, and a reserve.
    assert int(value(inventory, "db1", "postgresql_max_connections")) == 33 * 5 * 2 + 20


@pytest.mark.parametrize("expression", ["postgresql_max_connections", "postgresql_memory_mb"])
def test_no_tier_changes_what_restarts_postgresql(tmp_path: Path, expression: str) -> None:
    hosts = deepcopy(HOSTS)
    everything = hosts["all"]
    everything["hosts"] = {
        name: {"ansible_host": f"198.18.99.{number}", "memory_mb": 4096, "cores": 8}
        for number, name in enumerate(("app1", "app2", "db1"), 1)
    }
    # The second machine runs Django beside a replica, but only with both tiers.
    everything["children"]["app"]["hosts"] = {"app1": {}, "app2": {}}
    everything["children"]["db"]["hosts"] = {"db1": {}, "app2": {}}
    found = set()
    for tiers in (["replicas"], ["replicas", "app_servers"], ["replicas", "redis", "app_servers"]):
        everything["vars"]["tiers"] = tiers
        inventory = write(tmp_path, hosts)
        found.add((value(inventory, "db1", expression), value(inventory, "app2", expression)))
    assert len(found) == 1


def test_firewall_has_what_the_house_wants(tmp_path: Path) -> None:
    hosts = deepcopy(HOSTS)
    hosts["all"]["vars"]["firewall"] = {"ssh_from": "192.0.2.7", "allow": [{"port": 25}]}
    inventory = write(tmp_path, hosts)
    assert value(inventory, "db1", "firewall_ssh_from") == {"ip": ["192.0.2.7"], "ip6": []}
    (opening,) = value(inventory, "db1", "firewall_allow")
    assert (opening["port"], opening["ip"], opening["ip6"]) == (25, ["0.0.0.0/0"], ["::/0"])


def test_ssh_lets_in_whom_the_house_wants(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn3a6AyRogRdxySx/RgQXxCSTLIGJTXaXSeDNb8P4Zb"
    hosts = deepcopy(HOSTS)
    users = {"alice": {"keys": ["{{ key_of_alice }}"], "sudo": True}}
    hosts["all"]["vars"] |= {"ssh": {"users": users}, "key_of_alice": f"{key} alice"}
    inventory = write(tmp_path, hosts)
    assert value(inventory, "db1", "ssh_users") == {
        "alice": {"keys": [f"{key} alice"], "sudo": True}
    }


@pytest.mark.parametrize("stated", [{}, {"insight": True}])
def test_insight_times_requests_and_brings_hypopg(tmp_path: Path, stated: dict[str, bool]) -> None:
    hosts = deepcopy(HOSTS)
    hosts["all"]["vars"] |= stated
    hosts["all"]["vars"]["project_found"]["project_build"] |= {"packages": [], "extensions": []}
    for machine in hosts["all"]["hosts"].values():
        machine["postgresql_version"] = 17
    on = stated.get("insight", False)
    inventory = write(tmp_path, hosts)
    environment = value(inventory, "app1", "django_environment")
    assert environment.get("ESPALIER_INSIGHT") == ("1" if on else None)
    assert value(inventory, "db1", "postgresql_insight") is on
    assert ("postgresql-17-hypopg" in value(inventory, "db1", "base_packages")) is on
    assert "postgresql-17-hypopg" not in value(inventory, "app1", "base_packages")


def test_database_elsewhere_is_reached_over_tls(inventory: Path) -> None:
    url = value(inventory, "app1", "django_environment")["ESPALIER_DATABASE_URL"]
    assert url.endswith(f"@198.18.99.2:5432/shop{VERIFIED}")


def test_secrets_of_a_tier_that_is_off_are_not_made(tmp_path: Path) -> None:
    hosts = deepcopy(HOSTS)
    for machine in hosts["all"]["hosts"].values():
        machine["clients_recorded"] = {}
    inventory = write(tmp_path, hosts)
    assert value(inventory, "app1", "django_environment")["ESPALIER_SECRET_KEY"]
    assert value(inventory, "db1", "postgresql_replication_password") == ""
    assert made_in(inventory) == {"secret_key", "database_password"}


def made_in(inventory: Path) -> set[str]:
    """The files of secrets; an empty one is none."""
    files = (inventory / ".secrets").iterdir()
    return {path.name for path in files if path.stat().st_size} - {".gitignore"}


def test_no_file_is_made_of_a_secret_in_the_vault(tmp_path: Path) -> None:
    inventory = write(tmp_path, HOSTS)
    (inventory / "group_vars/all").mkdir(parents=True)
    (inventory / "group_vars/all/vault.yml").write_text("vault_secret_key: of the vault\n")
    assert value(inventory, "app1", "django_environment")["SECRET_KEY"] == "of the vault"
    assert made_in(inventory) == {"database_password"}


@pytest.mark.parametrize("before", [True, False])
def test_no_secret_is_seen_by_git(tmp_path: Path, before: bool) -> None:
    inventory = write(tmp_path, HOSTS)
    if before:  # as versions before made them
        (inventory / ".secrets").mkdir()
        (inventory / ".secrets/secret_key").write_text("a\n")
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    # deploy/.gitignore of the project's own, say.
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert value(inventory, "app1", "django_environment")["SECRET_KEY"]
    assert "secret_key" in made_in(inventory)
    status = [*git, "status", "--porcelain", "--untracked-files=all"]
    seen = subprocess.check_output(status, text=True)
    assert "hosts.yml" in seen and ".secrets" not in seen


def test_rotated_secrets_are_taken_and_what_they_replace_is_accepted(tmp_path: Path) -> None:
    inventory = write(tmp_path, HOSTS)
    assert value(inventory, "db1", "postgresql_login") == "shop"
    (inventory / ".secrets").mkdir()
    (inventory / ".secrets/database_login").write_text("second\n")
    (inventory / ".secrets/secret_key_next").write_text("soon\n")
    folder = inventory / "group_vars/all"
    folder.mkdir(parents=True)
    (folder / "vault.yml").write_text("vault_secret_key_old: before\nvault_media_token_old: m\n")
    environment = value(inventory, "app1", "django_environment")
    password = (inventory / ".secrets/database_password_second").read_text().strip()
    assert f"//espalier_login_shop:{password}@" in environment["ESPALIER_DATABASE_URL"]
    assert environment["ESPALIER_SECRET_KEY_FALLBACKS"] == "soon,before"
    assert environment["SECRET_KEY_FALLBACKS"] == "soon,before"
    assert value(inventory, "db1", "postgresql_login") == "espalier_login_shop"
    assert value(inventory, "db1", "postgresql_logins") == ["shop", "espalier_login_shop"]
    assert value(inventory, "db1", "postgresql_password") == password


@pytest.mark.parametrize("companion", ["secret_key_next", "redis_password_old", "media_token_old"])
def test_old_processes_are_waited_for_while_two_values_are_valid(
    tmp_path: Path, companion: str
) -> None:
    inventory = write(tmp_path, HOSTS)
    assert value(inventory, "app1", "secrets_are_rotating") is False
    (inventory / ".secrets").mkdir(exist_ok=True)
    (inventory / ".secrets" / companion).write_text("soon\n")
    assert value(inventory, "app1", "secrets_are_rotating") is True


def test_ipv6_address_is_bracketed_for_django(inventory: Path) -> None:
    hosts = value(inventory, "app1", "django_environment")["ESPALIER_ALLOWED_HOSTS"]
    assert hosts == "shop.example,[2001:db8::1]"


def test_key_without_a_value_counts_as_absent(tmp_path: Path) -> None:
    hosts = deepcopy(HOSTS)
    empty = ("static_url", "media_url", "media_s3", "upload_limit_mb", "packages", "apps")
    project = PROJECT | dict.fromkeys((*empty, "writable", "microcache", "environment"))
    hosts["all"]["vars"] |= {"project": project, "project_found": found(project)}
    inventory = write(tmp_path, hosts)
    wanted = {
        name: value(inventory, "app1", name) for name in ("nginx_static_url", "nginx_media_url")
    }
    assert wanted == {"nginx_static_url": "/static/", "nginx_media_url": "/media/"}
    assert int(value(inventory, "app1", "nginx_upload_limit_mb")) == 25
    assert value(inventory, "app1", "uploads_machine") == "app1"
    environment = value(inventory, "app1", "django_environment")
    assert environment["ESPALIER_EXTRA_APPS"] == ""
    assert "ESPALIER_S3_BUCKET" not in environment


def test_nginx_connects_to_the_project_s_socket(inventory: Path) -> None:
    assert value(inventory, "app1", "nginx_upstreams") == [
        {"address": "/srv/shop/web.sock", "port": 0}
    ]


def test_django_is_told_of_a_cache_only_where_there_is_one(inventory: Path, cached: Path) -> None:
    assert "ESPALIER_CACHE_URL" not in value(inventory, "app1", "django_environment")
    url = value(cached, "vps1", "django_environment")["ESPALIER_CACHE_URL"]
    password = (cached / ".secrets/redis_password").read_text().split()[0]
    assert len(password) == 40
    assert url == f"redis://shop:{password}@127.0.0.1:6379/0"
    environment = value(cached, "vps1", "django_environment")
    assert environment["ESPALIER_QUEUE_URL"] == f"redis://shop:{password}@127.0.0.1:6380/0"
    assert environment["REDIS_URL"] == environment["ESPALIER_QUEUE_URL"]  # the project says so


def test_redis_takes_its_memory_from_django_and_never_from_postgresql(cached: Path) -> None:
    assert int(value(cached, "vps1", "redis_memory_mb")) == 128
    assert int(value(cached, "vps1", "django_workers")) == 2  # (512 - 128) / 150
    # A change of this one would restart the database, under traffic.
    assert int(value(cached, "vps1", "postgresql_memory_mb")) == 512


def test_redis_takes_most_of_a_machine_of_its_own(tmp_path: Path) -> None:
    hosts = deepcopy(HOSTS)
    hosts["all"]["vars"]["tiers"] = ["redis"]
    hosts["all"]["hosts"]["cache1"] = {"ansible_host": "198.18.99.3", "memory_mb": 1024, "cores": 1}
    hosts["all"]["children"]["cache"] = {"hosts": {"cache1": {}}}
    assert int(value(write(tmp_path, hosts), "cache1", "redis_memory_mb")) == 768


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One machine with everything, and a replica; a pool in front of both."""
    folder = tmp_path_factory.mktemp("grown")
    hosts = json.loads(json.dumps(HOSTS))
    hosts["all"]["vars"]["tiers"] = ["replicas", "pgbouncer"]
    hosts["all"]["vars"]["database_password"] = "secret"
    hosts["all"]["children"]["db"]["hosts"] = {"app1": {}, "db1": {}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts, sort_keys=False))
    (folder / "topology.yml").write_text("plugin: topology\n")
    return folder


def test_django_learns_its_pools_replicas_and_how_to_bypass_them(grown: Path) -> None:
    found = value(grown, "app1", "__databases")
    assert {(d["purpose"], d["machine"]): d["url"].split("@")[1] for d in found} == {
        ("queries", "app1"): "%2Frun%2Fpgbouncer:6432/shop",
        ("migrations", "app1"): "%2Frun%2Fpostgresql:5432/shop",
        (
            "reads",
            "db1",
        ): f"198.18.99.2:6432/shop{VERIFIED}",
    }


def test_baseline_says_nothing_of_tiers_to_django(inventory: Path) -> None:
    environment = value(inventory, "app1", "django_environment")
    assert [k for k in environment if "REPLICA" in k or "POOL" in k or "DIRECT" in k] == []


def test_primary_allows_replicas_and_its_own_pool_to_look_passwords_up(grown: Path) -> None:
    primary = value(grown, "app1", "machine.access")
    assert primary["replication"] == ["198.18.99.2"]
    assert primary["pooling"] == ["local"]
    assert primary["postgresql_primary"] == []
    assert value(grown, "db1", "machine.access") == {
        "postgresql_replica": [],
        "replication": [],
        "pooling": ["local"],
        "pgbouncer": ["198.18.99.1"],
    }
    assert value(grown, "app1", "postgresql_slots") == ["espalier_db1"]
    assert value(grown, "db1", "postgresql_primary_address") == "198.18.99.1"


def test_replica_allows_no_fewer_processes_than_its_primary(grown: Path) -> None:
    assert int(value(grown, "app1", "postgresql_max_worker_processes")) == 32
    assert int(value(grown, "db1", "postgresql_max_worker_processes")) == 32


def test_restore_records_no_database_before_it_has_brought_it(tmp_path: Path) -> None:
    hosts = deepcopy(HOSTS)
    everything = hosts["all"]
    everything["hosts"]["db1"] |= {"recorded": {}, "restore": {}}
    inventory = write(tmp_path, hosts)
    assert "postgresql_primary" in value(inventory, "db1", "record_during_run.services")
    assert "postgresql_primary" not in value(inventory, "db1", "base_record.services")
    del everything["hosts"]["db1"]["restore"]
    assert "postgresql_primary" in value(write(tmp_path, hosts), "db1", "base_record.services")
