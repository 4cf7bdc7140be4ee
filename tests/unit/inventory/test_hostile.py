"""Hostile inventories in the real Ansible: one sentence that stands alone, and nothing begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from espalier import paths
from tests.unit.inventory.run_ansible import ansible

HOSTS = """\
all:
  vars:
    tiers: []
    datacenter: fsn1
    ansible_user: root
  hosts:
    vps1: {ansible_host: 203.0.113.10, private_address: 10.0.0.10}
  children:
    web: {hosts: {vps1: }}
    app: {hosts: {vps1: }}
    db: {hosts: {vps1: }}
    berlin: {hosts: {vps1: }}
    monitoring: {hosts: {vps1: }}
"""
NUMBERS = "Write four numbers from 0 to 255, such as 203.0.113.10, an IPv6 address, or a host name;"
PORT = "another port than 22 belongs into `ansible_port`."
OWN = "If the variable is your own, give it a name that is less like one of the kit's."
SHARED = "Write its address in the network that the machines share, such as 10.0.0.10, or remove "

# What is replaced in hosts.yml, by what, and the sentence.
REPLACED: dict[str, tuple[str, str, str]] = {
    "empty": (
        HOSTS,
        "",
        "hosts.yml is empty. Write the machines under `all: hosts:`; "
        "inventories/example/hosts.yml shows how.",
    ),
    "comments alone": (
        HOSTS,
        "# all:\n---\n",
        "hosts.yml is empty. Write the machines under `all: hosts:`; "
        "inventories/example/hosts.yml shows how.",
    ),
    "broken": (
        "10.0.0.10}",
        "10.0.0.10",
        "hosts.yml is no YAML at line 8, column 11: while parsing a flow mapping did not find "
        "expected ',' or '}' (begun in line 7). Compare the indentation, the colons and the "
        "brackets with inventories/example/hosts.yml.",
    ),
    "tabs": (
        "    web:",
        "\tweb:",
        "hosts.yml has a tab in line 9, and YAML is indented by spaces. Replace the tab by spaces, "
        "as many as the lines beside it have.",
    ),
    "a group twice": (
        "    app:",
        "    web: {hosts: {vps1: }}\n    app:",
        "hosts.yml has `web` twice in one place, in the lines 9 and 10, and only the last one "
        "would count. Write it once, with what belongs to both.",
    ),
    "no mapping": (
        HOSTS,
        "- vps1\n",
        "hosts.yml is a list, and must be a mapping that begins with `all:`. "
        "inventories/example/hosts.yml is one to begin with.",
    ),
    "a section with another name": (
        "  hosts:\n",
        "  host:\n",
        "`all:` of hosts.yml has `host`, which is not read there. Did you mean `hosts`? Machines "
        "belong under `hosts:`, groups under `children:`, and variables under `vars:`.",
    ),
    "ansible_host that is no address": (
        "203.0.113.10",
        "203.0.113.999",
        "`ansible_host` of the machine `vps1` in hosts.yml is 203.0.113.999, which looks like an "
        f"IP address and is none. {NUMBERS} {PORT}",
    ),
    "private_address that is no address": (
        "10.0.0.10",
        "10.0.0.256",
        "`private_address` of the machine `vps1` in hosts.yml is 10.0.0.256, which looks like an "
        f"IP address and is none. {NUMBERS} {PORT}",
    ),
    "private_address misspelt": (
        "private_address",
        "private_adress",
        "The machine `vps1` has `private_adress` in hosts.yml, which nothing reads. Did you mean "
        f"`private_address`? {OWN}",
    ),
    "ansible_host misspelt": (
        "ansible_host",
        "ansible_hots",
        "The machine `vps1` has `ansible_hots` in hosts.yml, which nothing reads. Did you mean "
        f"`ansible_host`? {OWN}",
    ),
    "memory_mb misspelt": (
        "ansible_user: root",
        "memory_mbs: 2048",
        "The machine `vps1` has `memory_mbs` in hosts.yml, which nothing reads. Did you mean "
        f"`memory_mb`? {OWN}",
    ),
    "memory_mb that is no number": (
        "ansible_user: root",
        "memory_mb: lots",
        "`memory_mb` of the machine `vps1` in hosts.yml is 'lots', which is no memory size in MiB. "
        "Write a number such as 2048, or remove the key to use what the machine says.",
    ),
    "cores that is no number": (
        "ansible_user: root",
        "cores: two",
        "`cores` of the machine `vps1` in hosts.yml is 'two', which is no number of processor "
        "cores. Write a number such as 2, or remove the key to use what the machine says.",
    ),
    "loopback": (
        "10.0.0.10",
        "127.0.0.1",
        "`private_address` of the machine `vps1` in hosts.yml is 127.0.0.1, a loopback address, "
        f"which only that machine itself can reach. {SHARED}the key where there is none.",
    ),
    "link-local": (
        "10.0.0.10",
        "169.254.7.1",
        "`private_address` of the machine `vps1` in hosts.yml is 169.254.7.1, a link-local "
        "address, which is not routed, and which a machine may change by itself. "
        f"{SHARED}the key where there is none.",
    ),
    "machine name": (
        "vps1",
        "vps 1",
        "A machine in hosts.yml is called 'vps 1'. A name begins with a letter or a digit and has "
        "letters, digits, `.`, `_` and `-` in it, because it becomes part of commands and of file "
        "names. Give it another name, such as `vps-1`; its address belongs into `ansible_host`.",
    ),
    "database beside db": (
        "    berlin:",
        "    database:",
        "hosts.yml has a group `database`, which looks like the duty `db` and is none, so nothing "
        "runs on its machines because of it. Did you mean `db`? Put its machines into `db`, or "
        "give the group a name that is less like it.",
    ),
    "database for db": (
        "    db:",
        "    database:",
        "hosts.yml has a group `database` and no machine in the group `db`. Did you mean `db`? "
        "Rename the group `database` to `db`.",
    ),
    # Ansible warns of a group's name with a dash, after this.
    "web-servers for web": (
        "    web:",
        "    web-servers:",
        "hosts.yml has a group `web-servers` and no machine in the group `web`. Did you mean "
        "`web`? Rename the group `web-servers` to `web`.",
    ),
    "tiers of one machine": (
        "private_address: 10.0.0.10",
        "tiers: [redis]",
        "`tiers` is written a second time, for the machine `vps1` or a group that it is in. It is "
        "one switch for the whole site: write it once, in hosts.yml under `all: vars:`.",
    ),
    "unknown tier": (
        "tiers: []",
        "tiers: [pgbuncer]",
        "`tiers` in hosts.yml has 'pgbuncer', which is no tier. Did you mean `pgbouncer`? The "
        "tiers are: replicas, pgbouncer, redis, app_servers, failover.",
    ),
}
IN_PLAYBOOKS = ("empty", "tabs", "private_address misspelt", "loopback", "unknown tier")


def write(tmp_path: Path, hosts: str, topology: str | None = "plugin: topology\n") -> Path:
    """Write an inventory and return its directory."""
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "hosts.yml").write_text(hosts)
    if topology is not None:
        (directory / "topology.yml").write_text(topology)
    return directory


def assert_refused(tmp_path: Path, tool: str, arguments: Sequence[str], sentence: str) -> None:
    run = ansible(tool, *arguments, cwd=tmp_path)
    assert run.stderr == f"{sentence}\n"
    assert run.stdout == ""
    assert run.returncode != 0


def test_inventory_that_the_others_are_made_of_is_right(tmp_path: Path) -> None:
    run = ansible("ansible-inventory", "-i", str(write(tmp_path, HOSTS)), "--graph", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "@postgresql_primary:" in run.stdout


@pytest.mark.parametrize("case", REPLACED)
def test_ansible_inventory_refuses(tmp_path: Path, case: str) -> None:
    old, new, sentence = REPLACED[case]
    assert old in HOSTS
    directory = write(tmp_path, HOSTS.replace(old, new))
    assert_refused(tmp_path, "ansible-inventory", ["-i", str(directory), "--list"], sentence)


@pytest.mark.parametrize("case", IN_PLAYBOOKS)
def test_ansible_playbook_refuses(tmp_path: Path, case: str) -> None:
    old, new, sentence = REPLACED[case]
    directory = write(tmp_path, HOSTS.replace(old, new))
    arguments = ["-i", str(directory), "--list-hosts", str(paths.SITE_PLAYBOOK)]
    assert_refused(tmp_path, "ansible-playbook", arguments, sentence)


@pytest.mark.parametrize(
    ("topology", "sentence"),
    [
        ("", "topology.yml is empty. Its one line is `plugin: topology`."),
        (
            "plugin: topologie\n",
            "topology.yml does not name this plugin. Its one line is `plugin: topology`.",
        ),
        (
            "plugin: topology\ntiers: []\n",
            "topology.yml has `tiers`, and takes the one line `plugin: topology`. Write everything "
            "about machines and tiers in hosts.yml beside it.",
        ),
    ],
    ids=["empty", "another plugin", "more lines"],
)
def test_topology_file_is_one_line(tmp_path: Path, topology: str, sentence: str) -> None:
    directory = write(tmp_path, HOSTS, topology)
    assert_refused(tmp_path, "ansible-inventory", ["-i", str(directory), "--list"], sentence)


def test_hosts_file_without_its_topology_file(tmp_path: Path) -> None:
    directory = write(tmp_path, HOSTS, topology=None)
    sentence = (
        f"topology.yml is missing beside {directory}/hosts.yml, so nothing would be computed from "
        "it. Write that file with the one line `plugin: topology`."
    )
    assert_refused(tmp_path, "ansible-inventory", ["-i", str(directory), "--list"], sentence)


def test_hosts_file_given_alone(tmp_path: Path) -> None:
    directory = write(tmp_path, HOSTS)
    sentence = (
        "hosts.yml was given to Ansible alone, so topology.yml beside it would not be read. Give "
        f"it the inventory's directory: `-i {directory}`."
    )
    alone = ["-i", str(directory / "hosts.yml"), "--list"]
    assert_refused(tmp_path, "ansible-inventory", alone, sentence)


def test_vault_that_is_locked(tmp_path: Path) -> None:
    directory = write(tmp_path, HOSTS)
    (directory / "group_vars").mkdir()
    (directory / "group_vars/all.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3162\n")
    sentence = (
        "A file of group_vars or host_vars cannot be read: Attempting to decrypt but no vault "
        "secrets found. Give its password: `--ask-vault-pass` or `--vault-password-file FILE`."
    )
    assert_refused(tmp_path, "ansible-inventory", ["-i", str(directory), "--list"], sentence)


def test_hosts_file_of_somebody_else_is_read_as_ansible_reads_it(tmp_path: Path) -> None:
    directory = write(tmp_path, "all: {hosts: {old: {memory_mbs: 3}}}\n", topology=None)
    run = ansible("ansible-inventory", "-i", str(directory), "--list", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert '"memory_mbs": 3' in run.stdout


def test_program_that_reads_an_inventory_ends_with_the_sentence(tmp_path: Path) -> None:
    """The release command reads one through Ansible's own classes."""
    old, new, sentence = REPLACED["loopback"]
    program = (
        "import sys\n"
        "from ansible.inventory.manager import InventoryManager\n"
        "from ansible.parsing.dataloader import DataLoader\n"
        "InventoryManager(DataLoader(), sources=sys.argv[1:])\n"
    )
    directory = write(tmp_path, HOSTS.replace(old, new))
    assert_refused(tmp_path, "python", ["-c", program, str(directory)], sentence)
