"""The thin Ansible shell around `espalier.inventory.topology.compute`.

It reads the inventory, turns every service into a real Ansible group and puts the map on the group
`all` as the variable `topology`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from espalier.inventory.errors import InventoryError
from espalier.inventory.model import Machine
from espalier.inventory.placement import unique
from espalier.inventory.topology import compute

DOCUMENTATION = """
name: topology
short_description: Compute which service runs on which machine
description:
  - Reads machines, duty groups and the list C(tiers) from the inventory sources before it
    (C(hosts.yml) beside it), and computes the service groups and the variable C(topology).
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


class InventoryModule(BaseInventoryPlugin):
    """Runs `compute` on the inventory read so far; see `compute` for what is refused."""

    NAME = "topology"

    def verify_file(self, path: str) -> bool:
        """Return whether this plugin reads the file: one called topology.yml or topology.yaml."""
        return super().verify_file(path) and Path(path).name in ("topology.yml", "topology.yaml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the service groups and the variable `topology` to the inventory.

        Raises:
            AnsibleParserError: the inventory was refused, with the sentence for the user.
        """
        super().parse(inventory, loader, path, cache)
        extra = set(self._read_config_data(path)) - {"plugin"}
        try:
            if extra:
                raise InventoryError(
                    f"topology.yml has `{min(extra)}`, and takes the one line `plugin: topology`. "
                    "Write everything about machines and tiers in hosts.yml beside it."
                )
            self._check_variables()
            topology = compute(*self._read())
        except InventoryError as error:
            raise AnsibleParserError(str(error)) from None
        for service, names in topology["services"].items():
            inventory.add_group(service)
            for name in names:
                inventory.add_host(name, group=service)
        inventory.set_variable("all", "topology", _trusted(topology))

    def _check_variables(self) -> None:
        """Refuse what would make the map and the variables of the same run disagree."""
        for variable in ("tiers", "topology"):
            if variable in (self._vars or {}):
                raise InventoryError(
                    f"`{variable}` is given on the command line (-e), where the topology does not "
                    "look. Write `tiers` in hosts.yml under `all: vars:`, and leave out the -e."
                )
        if "topology" in self._variables([self.inventory.groups["all"]]):
            raise InventoryError(
                "The variable `topology` is there already. If hosts.yml sets it, remove it: it is "
                "computed. If several inventories were given (-i twice), give one at a time."
            )

    def _read(self) -> tuple[dict[str, Machine], dict[str, list[str]], Any]:
        """Return machines, the user's groups and `tiers`, as plain data."""
        everyone = self.inventory.groups["all"]
        machines: dict[str, Machine] = {}
        for name, host in self.inventory.hosts.items():
            variables = self._variables([everyone, *host.get_groups()], host)
            public = variables.get("ansible_host", name)
            private = variables.get("private_address", public)
            machines[name] = {
                "address": private,
                "public_address": public,
                "private": "private_address" in variables,
            }
        groups = {
            name: [host.name for host in group.get_hosts()]
            for name, group in self.inventory.groups.items()
            if name not in ("all", "ungrouped")
        }
        tiers = self._variables([everyone]).get("tiers")
        # Values carry Ansible's tags (where they were written); the map is literal data.
        return json.loads(json.dumps((machines, groups, tiers), default=str))

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
        return get_vars_from_inventory_sources(self.loader, sources, entities, "all")
