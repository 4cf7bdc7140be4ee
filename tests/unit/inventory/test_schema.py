"""The schema of hosts.yml: its shape, and the variables that the kit reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from espalier.inventory.errors import InventoryError
from espalier.inventory.schema import check_hosts, check_variables


@pytest.mark.parametrize(
    "text",
    [
        "all: {hosts: {vps1: {ansible_host: 203.0.113.10, datacenter: fsn1}}}",
        "all: {hosts: vps1}",  # Ansible reads one name as well
        "all:",
        "all: {vars: , hosts: , children: {web: }}",
        "all: {hosts: {vps1: }}\nweb: {hosts: {vps1: }}",
        "all: {children: {berlin: {children: {web: {hosts: {vps1: }}}, vars: {a: [1, {b: 2}]}}}}",
    ],
)
def test_shape_that_ansible_reads(text: str) -> None:
    assert check_hosts(yaml.safe_load(text))


SHAPES = {
    "hosts: {vps1: }": (
        "hosts.yml has `hosts:` at its top, where Ansible reads the names of groups. Write `all:` "
        "as the first line, and indent all other lines under it."
    ),
    "all: []": (
        "`all:` in hosts.yml is a list, where a group is read, such as `all: {hosts: {vps1: }}`."
    ),
    "tiers: []": (
        "`tiers:` in hosts.yml is a list, where a group is read, and `tiers` is a variable: write "
        "it under `all: vars:`."
    ),
    "all: {tiers: [redis]}": (
        "`all:` of hosts.yml has `tiers`, which is not read there. Write it under `vars:`."
    ),
    "all: {web: {hosts: {vps1: }}}": (
        "`all:` of hosts.yml has `web`, which is not read there. Machines belong under `hosts:`, "
        "groups under `children:`, and variables under `vars:`."
    ),
    "all: {hosts: [vps1]}": (
        "`hosts:` in `all:` of hosts.yml is a list, and must be a mapping, such as "
        "`hosts: {vps1: }`."
    ),
    "all: {vars: [tiers]}": (
        "`vars:` in `all:` of hosts.yml is a list, and must be a mapping, such as "
        "`vars: {tiers: []}`."
    ),
    "all: {children: [web]}": (
        "`children:` in `all:` of hosts.yml is a list, and must be a mapping, such as "
        "`children: {web: {hosts: {vps1: }}}`."
    ),
    "all: {children: {web: vps1}}": (
        "`web:` in `all: children:` of hosts.yml is 'vps1', where a group is read, such as "
        "`web: {hosts: {vps1: }}`."
    ),
    "all: {hosts: {vps1: 203.0.113.10}}": (
        "The machine `vps1` in `all: hosts:` of hosts.yml is '203.0.113.10', and must be a mapping "
        "of its variables, such as `vps1: {ansible_host: 203.0.113.10}`."
    ),
    "all: {hosts: {1: }}": (
        "`all: hosts:` of hosts.yml has the name 1, which YAML does not read as text. Write it in "
        "quotes, or choose a name that begins with a letter."
    ),
}


@pytest.mark.parametrize("text", SHAPES)
def test_shape_that_ansible_would_pass_over(text: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_hosts(yaml.safe_load(text))
    assert str(refusal.value) == SHAPES[text]


@pytest.mark.parametrize(
    "values",
    [
        {"memory_mb": 2048, "cores": 2, "ansible_port": 22, "ansible_connection": "ssh"},
        {"memory_mb": "2048", "cores": "0.5"},
        {"memory_mb": "{{ 2 * 1024 }}", "cores": "{{ size.cores }}"},
    ],
)
def test_numbers(values: dict[str, Any]) -> None:
    check_variables("vps1", list(values), values)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("memory_mb", "lots", "'lots', which is no memory size in MiB"),
        ("memory_mb", None, "empty, and so no memory size in MiB"),
        ("memory_mb", True, "True, which is no memory size in MiB"),
        ("memory_mb", 2, "2, which is no memory size in MiB"),
        ("memory_mb", [2048], "[2048], which is no memory size in MiB"),
        ("cores", "two", "'two', which is no number of processor cores"),
        ("cores", 0, "0, which is no number of processor cores"),
        ("ansible_port", "ssh", "'ssh', which is no port"),
        ("ansible_port", 70000, "70000, which is no port"),
    ],
)
def test_number_that_is_none(key: str, value: Any, shown: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_variables("vps1", [key], {key: value})
    start = f"`{key}` of the machine `vps1` in hosts.yml is {shown}. Write "
    assert str(refusal.value).startswith(start)


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        (["private_adress"], "private_address"),
        (["privateAddress"], "private_address"),
        (["private-address"], "private_address"),
        (["memory_mbs"], "memory_mb"),
        (["memory_gb", "memory_mb"], "memory_mb"),
        (["core"], "cores"),
        (["ansible_hots"], "ansible_host"),
        (["ansible_usr"], "ansible_user"),
        (["tier"], "tiers"),
        (["vault_databse_password"], "vault_database_password"),
        (["vault_emial_password"], "vault_email_password"),
        (["private_ip"], "private_address"),
        (["private_addr"], "private_address"),
        (["internalIP"], "private_address"),
        (["Internal-IP"], "private_address"),
    ],
)
def test_near_miss_of_a_key_that_the_kit_reads(keys: list[str], meant: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_variables("vps1", keys, {})
    assert f"has `{keys[0]}` in hosts.yml, which nothing reads" in str(refusal.value)
    assert f"Did you mean `{meant}`?" in str(refusal.value)


def test_place_of_a_near_miss() -> None:
    with pytest.raises(InventoryError, match=r"has `core` in group_vars or host_vars, which"):
        check_variables("vps1", ["core"], {}, beside=["core"])


def test_old_name_of_the_address() -> None:
    with pytest.raises(InventoryError, match=r"an old name .* Write `ansible_host`\."):
        check_variables("vps1", ["ansible_ssh_host"], {})


@pytest.mark.parametrize(
    "keys",
    [
        ["datacenter", "private_network", "scores", "lab", "rack", "owner", "memory"],
        # A user's own, beside the kit's.
        ["tier", "tiers"],
        ["private_ip", "private_address"],
        # The cloud's.
        ["private_ipv4", "internal_hostname"],
        ["vault_database_passwords", "vault_database_password"],
        ["vault_admin_password", "vault_index_password", "vault_secure_key", "vault_meta_token"],
        # Ansible's own.
        ["ansible_ssh_user", "ansible_ssh_port", "ansible_become_exe", "ansible_become_flags"],
        ["ansible_ssh_private_key", "ansible_ssh_pass", "ansible_sftp_batch_mode"],
        ["ansible_host_uri", "ansible_lxd_host", "ansible_su_user", "ansible_shell_type"],
        ["inventory_hostname", "group_names", "nginx_upload_limit_mb"],
    ],
)
def test_variables_that_are_not_the_kits(keys: list[str]) -> None:
    check_variables("vps1", keys, {})


def test_longer_name_of_the_users_own_is_no_slip() -> None:
    check_variables("vps1", ["vault_secret", "vault_secret_key_of_the_shop"], {})


def test_connection_that_is_not_ssh() -> None:
    values = {"ansible_connection": "local"}
    with pytest.raises(InventoryError, match="'local', which is not how this kit reaches machines"):
        check_variables("vps1", list(values), values)


def test_every_secret_that_the_kit_reads_is_a_name_that_it_knows() -> None:
    folder = Path(__file__).parents[3] / "playbooks/group_vars"
    files = folder.rglob("*.yml")
    read = set(re.findall(r"vault_\w+", " ".join(file.read_text() for file in files)))
    assert {"vault_email_password", "vault_s3_secret_key", "vault_reader_password"} < read
    for key in read:
        check_variables("vps1", [key], {})
