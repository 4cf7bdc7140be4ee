"""The thin Ansible shell around `espalier.inventory`.

It reads hosts.yml, after its text and its schema were checked, as Ansible would. Then topology.yml
makes it compute the map: every service becomes a real Ansible group, and the map is the variable
`topology` of the group `all`. An inventory that is refused ends the process with one sentence.

Where a file `known_hosts` lies beside them, ssh compares the machines' keys with it and no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.inventory.helpers import get_group_vars
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import connection_loader, inventory_loader
from ansible.template import trust_as_template
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

try:
    from espalier.inventory.checks import check_insight
    from espalier.inventory.errors import InventoryError
    from espalier.inventory.known_hosts import BACKUP, FILE, ssh_arguments
    from espalier.inventory.machine_settings.check import KEYS, check_settings
    from espalier.inventory.model import Machine
    from espalier.inventory.names import check_names
    from espalier.inventory.placement import unique
    from espalier.inventory.prices import prices
    from espalier.inventory.schema import CHECKED, check_hosts, check_variables
    from espalier.inventory.services import REQUIRED_DUTIES
    from espalier.inventory.site import TOPOLOGY_FILES
    from espalier.inventory.topology import compute
    from espalier.inventory.yaml_text import check_environment, check_text
    from espalier.paths import DOCS
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    # Ansible would only warn that it cannot load the plugin, and read the inventory without it.
    raise SystemExit(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

DOCUMENTATION = """
name: topology
short_description: Compute which service runs on which machine
description:
  - Reads machines, duty groups and the list C(tiers) from C(hosts.yml), and from whatever other
    inventory sources come before C(topology.yml), and computes the service groups and the variable
    C(topology).
  - Refuses an inventory that makes no sense, before any machine is touched.
options:
  plugin:
    description: Names this plugin, so that Ansible knows who reads the file.
    required: true
    choices: [topology]
"""

EXAMPLES = """
# inventories/production/topology.yml, the whole file
plugin: topology
"""

# Switches that the map is computed from, and others that are of a whole site.
SITE_WIDE = ("tiers", "backup")
ONCE = (*SITE_WIDE, "insight", "prices")
HOSTS = ("hosts.yml", "hosts.yaml")
# Of the variables for ssh's arguments, those that Ansible takes last and people use least. It
# sends files by programs of their own.
SSH_ARGUMENTS = ("ansible_ssh_extra_args", "ansible_sftp_extra_args", "ansible_scp_extra_args")


class InventoryModule(BaseInventoryPlugin):
    """Checks and reads hosts.yml, and runs `compute` on what was read when topology.yml comes."""

    NAME = "topology"

    def verify_file(self, path: str) -> bool:
        """Return whether the file is the kit's: hosts.yml, topology.yml, or known_hosts."""
        ours = (*HOSTS, *TOPOLOGY_FILES, FILE, BACKUP)
        return super().verify_file(path) and Path(path).name in ours

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the machines of hosts.yml, or the service groups and the variable `topology`.

        Raises:
            SystemExit: the inventory was refused; its text is the sentence for the user. An
                AnsibleParserError would not stand alone: Ansible tries its other plugins on the
                same file, and tells what each of them says.
        """
        super().parse(inventory, loader, path, cache)
        file = Path(path)
        try:
            if file.name in HOSTS:
                self._read_hosts(file)
            elif file.name in TOPOLOGY_FILES:
                self._add_topology(file)
        except InventoryError as refusal:
            raise SystemExit(str(refusal)) from None

    def _read_hosts(self, file: Path) -> None:
        """Check hosts.yml, and let Ansible read it."""
        data = self._load(
            file,
            "Write the machines under `all: hosts:`; inventories/example/hosts.yml shows how.",
        )
        if any(file.with_name(name).exists() for name in TOPOLOGY_FILES):
            self._refuse_alone(file)
            check_names(check_hosts(data).root)
        elif _is_of_the_kit(data):
            raise InventoryError(
                f"topology.yml is missing beside {file}, so nothing would be computed from it. "
                "Write that file with the one line `plugin: topology`."
            )
        try:
            inventory_loader.get("yaml").parse(self.inventory, self.loader, str(file))
        except AnsibleError as error:
            raise InventoryError(f"{file.name} cannot be read: {_one_line(error)}") from None

    def _add_topology(self, file: Path) -> None:
        """Check all that was read, and add what is computed from it."""
        line = "Its one line is `plugin: topology`."
        data = self._load(file, line)
        if not isinstance(data, Mapping) or data.get("plugin") not in (self.NAME, None):
            raise InventoryError(f"topology.yml does not name this plugin. {line}")
        extra = set(data) - {"plugin"}
        if extra:
            raise InventoryError(
                f"topology.yml has `{min(extra)}`, and takes the one line `plugin: topology`. "
                "Write everything about machines and tiers in hosts.yml beside it."
            )
        self._check_variables()
        self._check_project(file.with_name("group_vars") / "all" / "project.yml")
        topology = compute(*self._read())
        for service, names in topology["services"].items():
            self.inventory.add_group(service)
            for name in names:
                self.inventory.add_host(name, group=service)
        self.inventory.set_variable("all", "topology", _trusted(topology))
        known_hosts = file.with_name(FILE)
        if known_hosts.is_file() and not self._sets(SSH_ARGUMENTS[0]):
            arguments = ssh_arguments(known_hosts.absolute())
            for variable in SSH_ARGUMENTS:
                if not self._sets(variable):
                    # It replaces what the person has in the environment or in ansible.cfg.
                    both = " ".join(filter(None, [_configured(variable), arguments]))
                    self.inventory.set_variable("all", variable, _trusted(both))

    def _load(self, file: Path, instead: str) -> Any:
        """Return what a YAML file says, after its text was checked."""
        self._checked_text(file, instead)
        try:
            return self.loader.load_from_file(str(file), cache="none")
        except AnsibleError as error:
            raise InventoryError(f"{file.name} cannot be read: {_one_line(error)}") from None

    def _checked_text(self, file: Path, instead: str) -> str:
        """Return the text of a YAML file, decrypted, after it was checked."""
        try:
            content = file.read_bytes()
            if content.startswith(b"$ANSIBLE_VAULT;"):
                content = self.loader.get_text_file_contents(str(file)).encode()
            text = content.decode()
            check_text(text, file.name, instead)
            return text
        except UnicodeError:
            raise InventoryError(
                f"{file.name} is no text in UTF-8. Save it in that encoding."
            ) from None
        except (AnsibleError, OSError) as error:
            raise InventoryError(f"{file.name} cannot be read: {_one_line(error)}") from None

    def _check_project(self, file: Path) -> None:
        """Check the text of project.yml; what it says is for the task `project`."""
        if file.is_file():
            check_environment(self._checked_text(file, f"{DOCS / 'project.md'} has its keys."))

    def _refuse_alone(self, file: Path) -> None:
        """Refuse hosts.yml as the one source, as then nothing is computed from it."""
        given = [Path(source).absolute() for source in context.CLIARGS.get("inventory") or ()]
        both = [file.with_name(name).absolute() for name in TOPOLOGY_FILES]
        if file.absolute() in given and not set(both) & set(given):
            raise InventoryError(
                f"{file.name} was given to Ansible alone, so topology.yml beside it would not be "
                f"read. Give it the inventory's directory: `-i {file.parent}`."
            )

    def _check_variables(self) -> None:
        """Refuse what would make the map and the variables of the same run disagree."""
        for variable in (*SITE_WIDE, "topology"):
            if variable in (self._vars or {}):
                switch = variable if variable in SITE_WIDE else "tiers"
                raise InventoryError(
                    f"`{variable}` is given on the command line (-e), where the topology does not "
                    f"look. Write `{switch}` in hosts.yml under `all: vars:`, and leave out the -e."
                )
        if self._sets("topology"):
            raise InventoryError(
                "The variable `topology` is there already. If hosts.yml sets it, remove it: it is "
                "computed. If several inventories were given (-i twice), give one at a time."
            )

    def _sets(self, variable: str) -> bool:
        """Return whether the user sets a variable for all machines."""
        return variable in self._variables([self.inventory.groups["all"]])

    def _read(self) -> tuple[dict[str, Machine], dict[str, list[str]], Any, str]:
        """Return machines, the user's groups, `tiers`, and where backups go, as plain data."""
        everyone = self.inventory.groups["all"]
        of_site = {name: _plain(self._variables([everyone]).get(name)) for name in ONCE}
        machines: dict[str, Machine] = {}
        for name, host in self.inventory.hosts.items():
            member_of = [everyone, *host.get_groups()]
            variables = self._variables(member_of, host)
            written = combine_vars(get_group_vars(unique(member_of)), host.get_vars())
            # The values of others may be secrets that this command was given no password for.
            values = {key: _plain(variables[key]) for key in CHECKED if key in variables}
            check_variables(name, list(variables), values, variables.keys() - written.keys())
            check_settings(name, {key: _plain(variables[key]) for key in KEYS if key in variables})
            for variable in ONCE:
                if _plain(variables.get(variable)) != of_site[variable]:
                    raise InventoryError(
                        f"`{variable}` is written a second time, for the machine `{name}` or a "
                        "group that it is in. It is one switch for the whole site: write it once, "
                        "in hosts.yml under `all: vars:`."
                    )
            public = variables.get("ansible_host", name)
            machines[name] = {
                "address": variables.get("private_address", public),
                "public_address": public,
                "private": "private_address" in variables,
            }
        check_insight(of_site["insight"])
        prices(of_site["prices"], list(machines))
        groups = {
            name: [host.name for host in group.get_hosts()]
            for name, group in self.inventory.groups.items()
            if name not in ("all", "ungrouped")
        }
        backup = of_site["backup"]  # checked with the first machine, if there is one
        to = backup.get("to", "") if isinstance(backup, Mapping) else ""
        return _plain(machines), _plain(groups), of_site["tiers"], to

    def _variables(self, groups: list[Any], host: Any = None) -> dict[str, Any]:
        """Return the variables of hosts.yml and of the group_vars and host_vars beside it."""
        found = get_group_vars(unique(groups))
        found = combine_vars(found, self._beside(groups))
        if host is not None:
            found = combine_vars(combine_vars(found, host.get_vars()), self._beside([host]))
        return found

    def _beside(self, entities: list[Any]) -> dict[str, Any]:
        """Return what group_vars and host_vars say about these groups or hosts."""
        sources = self.inventory.processed_sources
        try:
            return get_vars_from_inventory_sources(self.loader, sources, entities, "all")
        except AnsibleError as error:
            raise InventoryError(
                f"A file of group_vars or host_vars cannot be read: {_one_line(error)}"
            ) from None


def _is_of_the_kit(data: Any) -> bool:
    """Return whether somebody wrote this hosts.yml for the kit: it has tiers, or the duties."""
    everything = data.get("all") if isinstance(data, Mapping) else None
    if not isinstance(everything, Mapping):
        return False
    children = everything.get("children") or {}
    return "tiers" in (everything.get("vars") or {}) or set(REQUIRED_DUTIES) <= set(children)


def _configured(variable: str) -> str:
    """Return what the person gives to ssh, sftp or scp outside of the inventory; "" for nothing."""
    connection_loader.get("ssh", class_only=True)  # so that Ansible knows its options
    option = variable.removeprefix("ansible_")
    return str(constants.config.get_config_value(option, None, "connection", "ssh") or "")


def _one_line(error: Exception) -> str:
    """Return what an error says, in one line, and what to do about a vault that is locked."""
    text = " ".join(str(error).split())
    if "no vault secrets" in text:
        text += " Give its password: `--ask-vault-pass` or `--vault-password-file FILE`."
    return text


def _plain(value: Any) -> Any:
    """Return data without Ansible's tags (where each value was written): the map is literal."""
    return json.loads(json.dumps(value, default=str))


def _trusted(value: Any) -> Any:
    """Return the data with every string marked as trusted, as the strings of hosts.yml are.

    `ansible-inventory --list` wraps untrusted strings in `{"__ansible_unsafe": …}`. The class
    attribute `trusted_by_default` should do the same, but ansible-core 2.19 keeps the answer of
    the first inventory plugin of a run (the one that read hosts.yml) for all the others.
    """
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value
