"""The inventory plugin, in the real Ansible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from espalier import paths
from espalier.inventory.known_hosts import ssh_arguments
from espalier.inventory.topology import compute
from tests.unit.inventory.examples import running
from tests.unit.inventory.run_ansible import ansible

HOSTS = """
all:
  vars: {{tiers: {tiers}}}
  hosts:
    zeta: {{ansible_host: 203.0.113.1, private_address: 10.0.0.1}}
    alpha: {{ansible_host: 203.0.113.2}}
    middle:
  children:
    web: {{hosts: {{zeta: }}}}
    app: {{hosts: {{zeta: }}}}
    db: {{hosts: {{zeta: , alpha: }}}}
"""


def inventory(tmp_path: Path, tiers: str) -> Path:
    """Write an inventory of three machines and return its directory."""
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "hosts.yml").write_text(HOSTS.format(tiers=tiers))
    (directory / "topology.yml").write_text("plugin: topology\n")
    return directory


def listed(directory: Path, cwd: Path) -> dict[str, Any]:
    """Return the topology as another program reads it."""
    run = ansible("ansible-inventory", "-i", str(directory), "--list", cwd=cwd)
    assert run.returncode == 0, run.stderr
    assert "__ansible" not in run.stdout
    hostvars = json.loads(run.stdout)["_meta"]["hostvars"]
    maps = [variables["topology"] for variables in hostvars.values()]
    assert all(one == maps[0] for one in maps)
    return maps[0]


def test_graph_shows_every_service_and_keeps_the_order_of_hosts_yml(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[replicas]")
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "@all:",
        "  |--@ungrouped:",
        "  |  |--middle",
        "  |--@web:",
        "  |  |--zeta",
        "  |--@app:",
        "  |  |--zeta",
        "  |--@db:",
        "  |  |--zeta",
        "  |  |--alpha",
        "  |--@nginx:",
        "  |  |--zeta",
        "  |--@app_proxy:",
        "  |--@django:",
        "  |  |--zeta",
        "  |--@media:",
        "  |--@pgbouncer:",
        "  |--@postgresql_primary:",
        "  |  |--zeta",
        "  |--@postgresql_replica:",
        "  |  |--alpha",
        "  |--@redis:",
        "  |--@queue:",
        "  |--@media_tunnel:",
        "  |--@redis_tunnel:",
        "  |--@queue_tunnel:",
        "  |--@pgbackrest:",
        "  |--@pgbackrest_repository:",
        "  |--@restic:",
        "  |--@restic_repository:",
        "  |--@etcd:",
        "  |--@patroni:",
    ]


def test_list_is_the_same_map_as_plain_data(tmp_path: Path) -> None:
    expected = compute(
        {
            "zeta": {"address": "10.0.0.1", "public_address": "203.0.113.1", "private": True},
            "alpha": {"address": "203.0.113.2", "public_address": "203.0.113.2"},
            "middle": {"address": "middle", "public_address": "middle"},
        },
        {"web": ["zeta"], "app": ["zeta"], "db": ["zeta", "alpha"]},
        ["replicas", "pgbouncer"],
    )
    assert listed(inventory(tmp_path, "[pgbouncer, replicas]"), tmp_path) == expected


def test_addresses_in_host_vars_and_group_vars_count_as_ansible_ranks_them(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[]")
    for folder, name, text in (
        ("group_vars", "all.yml", "private_address: 10.0.0.7\n"),
        ("group_vars", "db.yml", "private_address: 10.0.0.8\n"),
        ("host_vars", "alpha.yml", "private_address: 10.0.0.9\n"),
    ):
        (directory / folder).mkdir(exist_ok=True)
        (directory / folder / name).write_text(text)
    result = listed(directory, tmp_path)
    assert {name: machine["address"] for name, machine in result["machines"].items()} == {
        "zeta": "10.0.0.1",  # its own line in hosts.yml
        "alpha": "10.0.0.9",  # host_vars
        "middle": "10.0.0.7",  # group_vars
    }


def test_plays_find_the_map_and_the_service_groups(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[replicas]")
    play = tmp_path / "play.yml"
    play.write_text(
        """
- hosts: postgresql_replica
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} follows {{ topology.services.postgresql_primary[0] }}"
- hosts: pgbouncer
  gather_facts: false
  tasks:
    - ansible.builtin.fail:
"""
    )
    run = ansible("ansible-playbook", "-i", str(directory), str(play), cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "alpha follows zeta" in run.stdout
    assert "skipping: no hosts matched" in run.stdout


def test_a_refusal_stops_the_run_with_the_sentence(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[replica]")
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", cwd=tmp_path)
    assert run.returncode != 0
    assert run.stdout == ""
    assert "which is no tier. Did you mean `replicas`?" in " ".join(run.stderr.split())


@pytest.mark.parametrize(
    ("file", "text", "arguments", "sentence"),
    [
        ("topology.yml", "plugin: topology\ntiers: []\n", [], "topology.yml has `tiers`, and"),
        ("group_vars/all.yml", "topology: {}\n", [], "The variable `topology` is there already."),
        ("group_vars/all.yml", "", ["-e", '{"tiers": []}'], "`tiers` is given on the command line"),
        (
            "group_vars/all.yml",
            "",
            ["-e", '{"backup": {"to": "machine"}}'],
            "`backup` is given on the command line (-e), where the topology does not look. Write "
            "`backup` in hosts.yml under `all: vars:`, and leave out the -e.",
        ),
        (
            "host_vars/alpha.yml",
            "backup: {to: machine}\n",
            [],
            "`backup` is written a second time, for the machine `alpha` or a group that it is in. "
            "It is one switch for the whole site: write it once, in hosts.yml under `all: vars:`.",
        ),
        (
            "host_vars/alpha.yml",
            "insight: true\n",
            [],
            "`insight` is written a second time, for the machine `alpha` or a group that it is in.",
        ),
        (
            "group_vars/all.yml",
            "insight: sometimes\n",
            [],
            "`insight` in hosts.yml is 'sometimes', which is neither true nor false. Write "
            "`insight: true` under `all: vars:`, or remove the key.",
        ),
        (
            "group_vars/all.yml",
            "prices: {alhpa: 12}\n",
            [],
            "`prices` in hosts.yml names the machine `alhpa`, which is not under `all: hosts:`. "
            "Did you mean `alpha`?",
        ),
    ],
)
def test_a_second_place_for_the_switch_is_refused(
    tmp_path: Path, file: str, text: str, arguments: list[str], sentence: str
) -> None:
    directory = inventory(tmp_path, "[]")
    (directory / file).parent.mkdir(exist_ok=True)
    (directory / file).write_text(text)
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", *arguments, cwd=tmp_path)
    assert run.returncode != 0
    assert sentence in " ".join(run.stderr.split())


TO_S3 = "backup: {to: s3, bucket: shop-backups, endpoint: s3.example.com, path: '{{ path }}'}\n"


def test_destination_of_backups_may_be_beside_hosts_yml(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[replicas]")
    (directory / "group_vars").mkdir()
    (directory / "group_vars/all.yml").write_text(TO_S3)
    found = running(listed(directory, tmp_path))
    assert (found["pgbackrest"], found["restic"]) == (["zeta", "alpha"], ["zeta"])
    assert "pgbackrest_repository" not in found


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("s3", "`backup` of the machine `zeta` is 's3', which cannot be used there. Examples: "),
        ("", "`backup.to` of the machine `zeta` is missing. Examples: "),
        (
            "{to: machine}",
            "`backup: {to: machine}` in hosts.yml wants a machine with the duty `backup`, and none "
            "has it. ",
        ),
        ("'{{ backups }}'", "`backup` of the machine `zeta` is '{{ backups }}', which cannot be "),
    ],
)
def test_backup_that_makes_no_sense_is_refused(tmp_path: Path, written: str, sentence: str) -> None:
    directory = inventory(tmp_path, f"[], backup: {written}")
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.splitlines()[-1].startswith(sentence)


def test_nonsense_beside_no_machine_is_no_traceback(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[]")
    (directory / "hosts.yml").write_text("all: {vars: {tiers: [], backup: s3}}\n")
    run = ansible("ansible-inventory", "-i", str(directory), "--graph", cwd=tmp_path)
    assert run.stderr.splitlines()[-1].startswith("No machine is known. Write the machines in ")


def test_the_example_inventory_is_the_baseline(tmp_path: Path) -> None:
    result = listed(paths.KIT / "inventories" / "example", tmp_path)
    assert result["tiers"] == []
    assert running(result) == {
        "nginx": ["vps1"],
        "django": ["vps1"],
        "postgresql_primary": ["vps1"],
    }


def variables_of(directory: Path, cwd: Path, **environment: str) -> dict[str, Any]:
    """What Ansible is told about a machine."""
    run = ansible("ansible-inventory", "-i", str(directory), "--list", cwd=cwd, **environment)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)["_meta"]["hostvars"]["zeta"]
    return found


def test_known_hosts_beside_hosts_yml_are_the_only_ones(tmp_path: Path) -> None:
    directory = inventory(tmp_path, "[]")
    assert "ansible_ssh_extra_args" not in variables_of(directory, tmp_path)
    file = directory / "known_hosts"
    file.write_text("203.0.113.1 ssh-ed25519 AAAA\n")
    found = variables_of(directory, tmp_path)
    # Files, with secrets among them, are sent by programs that have variables of their own.
    for program in ("ssh", "sftp", "scp"):
        assert found[f"ansible_{program}_extra_args"] == ssh_arguments(file)
    # What `ssh-keygen -R` leaves is read by nobody.
    (directory / "known_hosts.old").write_text("203.0.113.1 ssh-ed25519 BBBB\n")
    assert variables_of(directory, tmp_path)["ansible_ssh_extra_args"] == ssh_arguments(file)
    # What the person has in the environment stays, and goes before it.
    found = variables_of(directory, tmp_path, ANSIBLE_SSH_EXTRA_ARGS="-o LogLevel=ERROR")
    assert found["ansible_ssh_extra_args"] == f"-o LogLevel=ERROR {ssh_arguments(file)}"
    assert found["ansible_scp_extra_args"] == ssh_arguments(file)
    # What the person writes there goes before it.
    (directory / "group_vars").mkdir()
    (directory / "group_vars/all.yml").write_text("ansible_ssh_extra_args: -o LogLevel=ERROR\n")
    assert variables_of(directory, tmp_path)["ansible_ssh_extra_args"] == "-o LogLevel=ERROR"
    (directory / "group_vars/all.yml").unlink()
    hosts = directory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("vars: {", "vars: {ansible_ssh_extra_args: -4, "))
    assert variables_of(directory, tmp_path)["ansible_ssh_extra_args"] in (-4, "-4")
