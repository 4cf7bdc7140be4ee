"""The site as its Ansible inventory describes it: machines, topology, project. Read once."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
# What of a machine's `ansible_ssh_common_args` pyinfra is told; ~/.ssh/config it reads itself.
SSH_OPTIONS = {
    "stricthostkeychecking": "ssh_strict_host_key_checking",
    "userknownhostsfile": "ssh_known_hosts_file",
    "loglevel": "",
}


class DeployError(Exception):
    """A sentence for the person at the terminal; `status` is the exit status."""

    def __init__(self, sentence: str, status: int = 1, detail: str = "") -> None:
        """Take the sentence, the exit status, and what a tool printed."""
        super().__init__(sentence)
        self.status, self.detail = status, detail


@dataclass(frozen=True)
class Site:
    """What the inventory says, with every template filled in."""

    inventory: Path
    hostvars: Mapping[str, Mapping[str, Any]]
    topology: Mapping[str, Any]
    project: Mapping[str, Any]
    requirements: Mapping[str, list[str]]  # the kit's own by server, added to the project's

    def machines(self, service: str) -> list[str]:
        """The machines that run a service, in order."""
        return list(self.topology["services"][service])

    @property
    def hosts(self) -> list[str]:
        """The machines that a release touches: with Django, or with a cache of its pages."""
        caching = self.machines("nginx") if self.project.get("microcache") else []
        return list(dict.fromkeys([*self.machines("django"), *caching]))

    def connection(self, machine: str) -> dict[str, Any]:
        """How pyinfra reaches a machine, from what Ansible is told.

        Raises DeployError for an ssh option that belongs into ~/.ssh/config, which both read.
        """
        said = self.hostvars[machine]
        data: dict[str, Any] = {"ssh_hostname": said.get("ansible_host", machine)}
        for theirs, ours in (("ansible_user", "ssh_user"), ("ansible_port", "ssh_port")):
            if theirs in said:
                data[ours] = said[theirs]
        if key := said.get("ansible_ssh_private_key_file"):
            data["ssh_key"] = str(Path(key).expanduser())
        for option, value in ssh_options(said):
            if option.lower() not in SSH_OPTIONS:
                raise DeployError(
                    f"`ansible_ssh_common_args` of {machine} in hosts.yml has {option}, which only "
                    "Ansible would know. Write it into ~/.ssh/config for that host, which Ansible "
                    "and pyinfra both read.",
                    2,
                )
            if name := SSH_OPTIONS[option.lower()]:
                data[name] = value
        return data

    def ssh(self, machine: str) -> list[str]:
        """The ssh command that reaches a machine as Ansible does, without what to run there."""
        said = self.hostvars[machine]
        command = ["ssh", *shlex.split(said.get("ansible_ssh_common_args", ""))]
        if "ansible_port" in said:
            command += ["-p", str(said["ansible_port"])]
        if key := said.get("ansible_ssh_private_key_file"):
            command += ["-i", str(Path(key).expanduser())]
        user = f"{said['ansible_user']}@" if "ansible_user" in said else ""
        return [*command, f"{user}{said.get('ansible_host', machine)}"]

    @property
    def name(self) -> str:
        """The project's name: its user, its directories, its units."""
        from espalier.project.schema import check

        return check(self.project).name


def as_root(command: Sequence[str]) -> str:
    """A command as a shell line that runs it as root, or as who may become it: as `become` does."""
    script = 'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n -- "$@"; fi'
    return shlex.join(["sh", "-c", script, "sh", *command])


def ssh_options(hostvars: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The `-o name=value` options that a machine's variables have for ssh."""
    words = shlex.split(hostvars.get("ansible_ssh_common_args", ""))
    options = []
    for number, word in enumerate(words):
        if word == "-o" and number + 1 < len(words):
            options.append(tuple(words[number + 1].split("=", 1)))
        elif word.startswith("-o") and len(word) > 2:
            options.append(tuple(word[2:].split("=", 1)))
    return [(one[0], one[1]) for one in options if len(one) == 2]


def inventory_path() -> Path:
    """The inventory that INVENTORY names, or that of ENV (default: the lab's)."""
    named = os.environ.get("INVENTORY") or f"inventories/{os.environ.get('ENV') or 'lab'}"
    path = Path(named)
    return path if path.is_absolute() else ROOT / path


def read(path: Path) -> Site:
    """Read an inventory as the playbooks do.

    In a process of its own, because Ansible changes Python's sockets, which gevent changes too.
    Raises DeployError where there is none, or it is refused; the sentence is the topology's.
    """
    if not (path / "topology.yml").exists():
        raise DeployError(f"{path} is no inventory of this kit: it has no topology.yml.", 2)
    command = [sys.executable, "-m", "deploys.described", str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as reading:
        # The schema takes a fifth of a second to load: nobody waits for it here.
        import espalier.project.schema  # noqa: F401

        output, errors = reading.communicate()
    if reading.returncode:
        raise DeployError(errors.strip(), 2)
    found, project, requirements = json.loads(output)
    return Site(path, found, next(iter(found.values()))["topology"], project, requirements)


def describe(path: str) -> list[Any]:
    """Return every machine's variables, the project and the kit's requirements, as plain data."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    init_plugin_loader()
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[path])
    loader.set_basedir(str(ROOT / "playbooks"))  # whose group_vars are the wiring
    variables = VariableManager(loader, inventory)
    found = {host.name: variables.get_vars(host=host) for host in inventory.get_hosts()}
    first = next(iter(found.values()))
    templar = Templar(loader, variables=first)
    project = templar.template(first.get("project") or {})
    return [found, project, templar.template(first["kit_requirements"])]


def who() -> str:
    """Who is at this terminal, for the log of a machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


if __name__ == "__main__":
    try:
        print(json.dumps(describe(sys.argv[1]), default=str))
    except Exception as error:
        sys.exit(str(error))
