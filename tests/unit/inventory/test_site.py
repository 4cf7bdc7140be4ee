"""The site as plain data, and how it is read from an inventory by Ansible itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.machine_settings.check import settings
from espalier.inventory.prices import site_prices
from espalier.inventory.read import Passwords, read
from espalier.inventory.remote import Remote, connection_data
from espalier.inventory.site import Site, SiteError
from espalier.paths import KIT

HOSTS = """
all:
  vars: {{tiers: [], {variables}}}
  hosts:
    vps1: {{ansible_host: 203.0.113.10}}
  children:
    web: {{hosts: {{vps1: }}}}
    app: {{hosts: {{vps1: }}}}
    db: {{hosts: {{vps1: }}}}
"""


def name_of(project: Mapping[str, Any]) -> str:
    return str(project.get("name", "orchard"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)


def make_inventory(folder: Path, variables: str = "", project: str = "{}") -> Path:
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "topology.yml").write_text("plugin: topology\n")
    (folder / "hosts.yml").write_text(HOSTS.format(variables=variables))
    (folder / "group_vars" / "all" / "project.yml").write_text(f"project: {project}\n")
    return folder


def encrypt(folder: Path, text: str, password: str) -> str:
    """Encrypt a text with ansible-vault; gives what it writes. The password is kept beside it."""
    (folder / "password").write_text(password)
    vault = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt"]
    command = [*vault, "--vault-password-file", str(folder / "password")]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def test_machines_are_reached_as_ansible_does(tmp_path: Path) -> None:
    lab = tmp_path / "lab"  # without what `espalier up` may have written into it
    written = shutil.ignore_patterns("up.yml", "host_vars", ".secrets")
    shutil.copytree(KIT / "inventories/lab", lab, ignore=written)
    site = read(lab, name_of=name_of)
    assert site.app_machines == site.release_machines == ["vps1"]
    assert site.name == "orchard"
    assert any(one.startswith("gunicorn==") for one in site.requirements["gunicorn"])
    assert site.variables["vps1"] == {
        "ansible_host": "198.18.0.11",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": "~/.cache/espalier/lab/id_ed25519",
        "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=300s",
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        "-o LogLevel=ERROR",
        "ansible_host_key_checking": True,
        "ansible_timeout": 10,
    }
    connection = connection_data(site.variables, "vps1", Path("/run/ssh/config"))
    assert connection == {
        "ssh_hostname": "198.18.0.11",
        "ssh_config_file": "/run/ssh/config",
        "ssh_strict_host_key_checking": "no",
        "ssh_known_hosts_file": "/dev/null",
    }
    remote = Remote(site, Path("/run/ssh/config"), {})
    assert remote.command("vps1") == ["ssh", "-F", "/run/ssh/config", "198.18.0.11"]


def test_settings_of_machines_are_read_for_who_asks(tmp_path: Path) -> None:
    variables = (
        "house: The wiki, firewall: {off: true}, "
        "audit: {waivers: [{check: ports, what: 25, why: '{{ house }}'}]}, "
        "ssh: {passwords: true, users: {bob: {keys: [\"{{ lookup('file', 'bob.pub') }}\"]}}}"
    )
    inventory = make_inventory(tmp_path, variables)
    found = read(inventory, name_of=name_of, settings=True).settings["vps1"]
    assert settings("firewall", found["firewall"]).model_dump()["off"] is True
    assert found["audit"] == {"waivers": [{"check": "ports", "what": 25, "why": "The wiki"}]}
    assert found["ssh"] == {"passwords": True}
    assert read(inventory, name_of=name_of).settings == {}


def test_what_machines_cost_is_read_for_who_asks(tmp_path: Path) -> None:
    inventory = make_inventory(tmp_path)
    house = "insight: true\nprices: {vps1: 0.02/hour, currency: EUR}\n"
    (inventory / "group_vars/all/house.yml").write_text(house)
    site = read(inventory, name_of=name_of, settings=True)
    assert site.settings["vps1"]["insight"] is True
    assert site_prices(site) == ({"vps1": 14.6}, "EUR")
    assert site_prices(read(inventory, name_of=name_of)) == ({}, "")


def test_directory_that_is_no_inventory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"has no topology\.yml") as refused:
        read(tmp_path, name_of=name_of)
    assert refused.value.status == 2


def test_topology_file_may_end_in_yaml(tmp_path: Path) -> None:
    inventory = make_inventory(tmp_path)
    (inventory / "topology.yml").rename(inventory / "topology.yaml")
    assert read(inventory, name_of=name_of).topology["services"]["django"] == ["vps1"]


def test_site_travels_as_json_and_its_name_shows_no_password() -> None:
    variables = {"vps1": {"ansible_host": "203.0.113.10", "ansible_become_password": "pear"}}
    topology = {"services": {"django": ["app1", "app2"], "nginx": ["web1", "app1"]}}
    site = Site(Path("/x"), "orchard", topology, {"microcache": [1]}, {"uwsgi": []}, variables)
    assert Site.from_json(site.to_json()) == site
    assert "pear" not in repr(site)
    assert site.release_machines == ["app1", "app2", "web1"]


def test_other_names_of_a_variable_count_as_with_ansible(tmp_path: Path) -> None:
    variables = "ansible_ssh_user: deploy, ansible_ssh_port: 2222, ansible_sudo_pass: pear"
    site = read(make_inventory(tmp_path, variables), name_of=name_of)
    found = site.variables["vps1"]
    assert found["ansible_user"] == "deploy"
    assert found["ansible_port"] == 2222
    assert found["ansible_become_password"] == "pear"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ("ansible_become_method: su", "`ansible_become_method` of vps1 is su"),
        ("ansible_become_user: www-data", "`ansible_become_user` of vps1 is www-data"),
    ],
)
def test_other_ways_to_root_are_refused(tmp_path: Path, variables: str, sentence: str) -> None:
    with pytest.raises(SiteError, match=sentence):
        read(make_inventory(tmp_path, variables), name_of=name_of)


def test_typed_passwords_are_for_machines_without_one_of_their_own(tmp_path: Path) -> None:
    typed = Passwords(become="typed", connection="ssh")
    inventory = make_inventory(tmp_path)
    found = read(inventory, name_of=name_of, passwords=typed).variables["vps1"]
    assert (found["ansible_become_password"], found["ansible_password"]) == ("typed", "ssh")
    own = ("ansible_become_password=own",)
    found = read(inventory, name_of=name_of, passwords=typed, extra_vars=own).variables["vps1"]
    assert found["ansible_become_password"] == "own"


def test_password_for_sudo_is_read_from_a_file_or_a_program(tmp_path: Path) -> None:
    inventory = make_inventory(tmp_path / "inventory")
    file, program = tmp_path / "file", tmp_path / "program"
    file.write_text("pear\n")
    program.write_text("#!/bin/sh\necho quince\n")
    program.chmod(0o700)
    for source, expected in ((file, "pear"), (program, "quince")):
        passwords = Passwords(become_file=str(source))
        found = read(inventory, name_of=name_of, passwords=passwords).variables["vps1"]
        assert found["ansible_become_password"] == expected


def test_vaulted_variables_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = encrypt(tmp_path, "inline secret", "wax").replace("\n", "\n      ")
    inventory = make_inventory(tmp_path / "inventory")
    variables = inventory / "group_vars" / "all"
    (variables / "project.yml").write_text(
        "project:\n  name: pears\n  environment:\n    ONE: '{{ vault_one }}'\n"
        f"    TWO: !vault |\n      {inline}\n"
    )
    vault = {"vault_one": "one secret", "ansible_become_password": "pear"}
    (variables / "vault.yml").write_text(encrypt(tmp_path, json.dumps(vault), "wax"))
    file = str(tmp_path / "password")
    ways = [
        Passwords(vault_password_files=(file,)),
        Passwords(vault_ids=(f"site@{file}",)),
        Passwords(vault={"default": "wax"}),
    ]
    for passwords in ways:
        site = read(inventory, name_of=name_of, passwords=passwords)
        assert site.project["environment"] == {"ONE": "one secret", "TWO": "inline secret"}
        assert site.variables["vps1"]["ansible_become_password"] == "pear"
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", file)
    assert read(inventory, name_of=name_of).name == "pears"
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE")
    with pytest.raises(SiteError, match=r"needs the password of ansible-vault\. Add --vault-pass"):
        read(inventory, name_of=name_of)
    with pytest.raises(SiteError, match=r"cannot be decrypted"):
        read(inventory, name_of=name_of, passwords=Passwords(vault={"default": "paraffin"}))


def test_modules_of_the_directory_that_a_person_is_in_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets.py").write_text("raise SystemExit('the project of a person was run')\n")
    inventory = make_inventory(tmp_path / "inventory")
    monkeypatch.chdir(tmp_path)
    assert read(inventory, name_of=name_of).name == "orchard"


@pytest.mark.parametrize(
    ("variables", "project", "sentence"),
    [
        ("", "{environment: {PIN: 0123}}", "YAML reads 0123 as the number 83"),
        ("", "{name: shop, name: store}", "project.yml has `name` twice in one place"),
        ("ansible_connection: local", "{}", "'local', which is not how this kit reaches machines"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused_before_anything(
    tmp_path: Path, variables: str, project: str, sentence: str
) -> None:
    with pytest.raises(SiteError, match=sentence):
        read(make_inventory(tmp_path, variables, project), name_of=name_of)


def test_encrypted_project_is_checked_too(tmp_path: Path) -> None:
    inventory = make_inventory(tmp_path / "inventory")
    file = inventory / "group_vars/all/project.yml"
    file.write_text(encrypt(tmp_path, "project: {environment: {PIN: 0123}}\n", "pears"))
    with pytest.raises(SiteError, match="YAML reads 0123 as the number 83"):
        passwords = Passwords(vault_password_files=(str(tmp_path / "password"),))
        read(inventory, name_of=name_of, passwords=passwords)
