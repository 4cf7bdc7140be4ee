"""The module that tells what the kit has to know of a machine."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment

from plugins.modules import machine_facts as facts

DEBIAN = """PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION_CODENAME=trixie
ID=debian

"""


def test_distribution_is_named_as_ansible_names_it() -> None:
    assert facts.distribution(DEBIAN) == {
        "distribution": "Debian",
        "distribution_version": "13",
        "distribution_release": "trixie",
    }
    rolling = {"distribution": "Arch", "distribution_version": "", "distribution_release": ""}
    assert facts.distribution("ID=arch\n") == rolling


def test_a_container_is_told_from_a_machine() -> None:
    guest = {"virtualization_role": "guest", "virtualization_type": "podman"}
    guest["virtualization_tech_guest"] = ["container", "podman"]
    assert facts.virtualization("podman") == guest
    # A virtual machine says "none" too: it has memory and a kernel of its own.
    host = {"virtualization_role": "host", "virtualization_type": ""}
    host["virtualization_tech_guest"] = []
    assert facts.virtualization("none") == facts.virtualization("") == host


def makes_swap(found: dict[str, Any]) -> bool:
    """Whether the role `base` makes a swap file on a small machine with these facts."""
    role = Path(__file__).resolve().parents[2] / "roles/base/tasks/main.yml"
    tasks = {task["name"]: task for task in yaml.safe_load(role.read_text())}
    conditions = map(Environment().compile_expression, tasks["Make a swap file"]["when"])
    return all(holds(base_memory_mb=512, ansible_facts=found) for holds in conditions)


@pytest.mark.parametrize("kind", ["podman", "lxc", "lxc-libvirt", "openvz", "wsl", "proot"])
def test_no_container_changes_its_host_s_swap(kind: str) -> None:
    assert not makes_swap(facts.virtualization(kind))


def test_machines_get_swap_whoever_gathers_the_facts() -> None:
    assert makes_swap(facts.virtualization("none"))
    # As ansible.builtin.setup has it.
    virtual = {"virtualization_role": "guest", "virtualization_type": "kvm"}
    assert makes_swap({**virtual, "virtualization_tech_guest": ["kvm"]})
    assert makes_swap({})


PG_HBA = """# Administration only as the system user postgres
local    all       postgres                      peer
local    shop  shop  scram-sha-256
local    shop  espalier_pooler  peer map=espalier
local    postgres  espalier_replication  scram-sha-256
"""
NGINX = """        location /media/ {
            alias /srv/shop/media/;
"""
REDIS = "user default reset off\nuser shop reset on #5e88 ~* resetchannels -@all\n"


def test_record_says_whose_the_machine_is() -> None:
    assert facts.named_site({"site": "till", "projects": ["shop"]}) == "till"
    assert facts.named_site({"projects": ["shop"], "services": ["django"]}) == "shop"
    assert facts.named_site({"projects": [], "services": ["etcd"]}) == ""


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("postgresql_primary", PG_HBA),
        ("postgresql_replica", PG_HBA),
        ("nginx", NGINX),
        ("redis", REDIS),
        ("queue", REDIS),
    ],
)
def test_record_of_a_version_before_is_completed_from_its_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: str, text: str
) -> None:
    (tmp_path / "file").write_text(text)
    pattern = facts.NAMED_IN[service][1]
    monkeypatch.setitem(facts.NAMED_IN, service, (str(tmp_path / "fi*"), pattern))
    assert facts.named_site({"projects": [], "services": [service]}) == "shop"


def test_addresses_are_sorted() -> None:
    assert facts.addresses("10.0.0.4 203.0.113.7 2001:db8::7 \n") == {
        "all_ipv4_addresses": ["10.0.0.4", "203.0.113.7"],
        "all_ipv6_addresses": ["2001:db8::7"],
    }


def test_machine_that_the_kit_is_leaving_says_who_does_it(tmp_path: Path) -> None:
    lock, text = tmp_path / "site.lock", {"pid": 1, "by": "ann@desk (remove)", "token": "x"}
    pattern = str(tmp_path / "*.lock")
    for what, who in (("remove", "ann@desk (remove)"), ("site.yml", "")):
        lock.write_text(json.dumps(text | {"what": what}))
        assert facts.removed_by(pattern) == "", "nobody holds it"
        with open(lock) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert facts.removed_by(pattern) == who


def test_lock_of_a_site_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that asks for it in that instant would be refused."""
    monkeypatch.setattr(fcntl, "flock", lambda *given: pytest.fail("it was locked"))
    for text in ("", json.dumps({"pid": 1, "by": "ann@desk", "token": "x", "what": "site.yml"})):
        (tmp_path / "site.lock").write_text(text)
        assert facts.removed_by(str(tmp_path / "*.lock")) == ""


def process(proc: Path, pid: int, parent: int, environment: bytes) -> None:
    """Write what the kernel says of a process."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "status").write_text(f"Name:\tsh\nPid:\t{pid}\nPPid:\t{parent}\n")
    (proc / str(pid) / "environ").write_bytes(environment)


def test_connection_is_found_through_sudo(tmp_path: Path) -> None:
    process(tmp_path, 1, 0, b"")
    process(tmp_path, 7, 1, b"LANG=C\0SSH_CONNECTION=203.0.113.7 50000 10.0.0.4 2222\0HOME=/\0")
    process(tmp_path, 8, 7, b"NO_SSH_CONNECTION=1 2 3 4\0")
    assert facts.ssh_connection(8, str(tmp_path)) == ["203.0.113.7", "50000", "10.0.0.4", "2222"]
    process(tmp_path, 9, 1, b"HOME=/")
    assert facts.ssh_connection(9, str(tmp_path)) == []
    assert facts.ssh_connection(99, str(tmp_path)) == []


def test_ports_of_ssh() -> None:
    said = "port 22\nlistenaddress 0.0.0.0:22\nlistenaddress [::]:22\nlistenaddress 127.0.0.1:7\n"
    assert facts.ssh_ports(said, []) == [22]
    assert facts.ssh_ports(said, ["203.0.113.7", "50000", "10.0.0.4", "2222"]) == [22, 2222]
    assert facts.ssh_ports("", []) == [22]
