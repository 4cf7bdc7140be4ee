"""What the checks of one audit share: the site, how it is reached, and what machines say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from espalier.audit import ports
from espalier.audit.expectations import KitWaiver, expectations
from espalier.audit.rows import Row, waive
from espalier.inventory.machine_settings.check import settings
from espalier.inventory.remote import Remote
from espalier.inventory.site import Site
from espalier.inventory.ssh_config import destinations, direct_address
from espalier.project import schema
from espalier.wiring.certificate import Certificate, certificate


@dataclass(frozen=True)
class Context:
    """One audit of a site.

    Attributes:
        remote: how its machines are reached.
        said: what each machine says of itself (`espalier_machine.audit.look`), by name.
    """

    remote: Remote
    said: Mapping[str, Mapping[str, Any]]

    @property
    def site(self) -> Site:
        """Whose machines they are."""
        return self.remote.site

    @cached_property
    def project(self) -> schema.Project:
        """What project.yml says, with defaults."""
        return schema.check(dict(self.site.project))

    @cached_property
    def reached(self) -> dict[str, tuple[str, int] | None]:
        """By machine, the address and port of its SSH, as seen from here.

        None behind a bastion; and where several machines share an address, which is a gateway's.
        """
        names = destinations(self.site.variables)
        found = {one: direct_address(self.remote.config, names[one]) for one in names}
        count = Counter(at[0] for at in found.values() if at)
        return {one: at if at and count[at[0]] == 1 else None for one, at in found.items()}

    def certificate(self, machine: str) -> Certificate:
        """Which certificate a machine is to have."""
        domains = self.project.domains or [self.site.topology["machines"][machine]["address"]]
        return certificate(self.project.certificate, domains)

    def openings(self, machine: str) -> ports.Openings:
        """What is open on a machine, and for whom."""
        readers = [one for of in self.project.database.get("readers", {}).values() for one in of]
        return ports.openings(self.site, machine, readers, self.said[machine]["ssh_ports"])

    def waived(self, rows: list[Row]) -> list[Row]:
        """The same rows, with the reasons of a person's waivers, then of the kit's."""
        known = {name: (self._waivers(name), self._conditions(name)) for name in self.site.settings}
        return [waive(row, *known[row.machine]) for row in rows]

    def _settings(self, machine: str, key: str) -> dict[str, Any]:
        return settings(key, self.site.settings[machine].get(key)).model_dump()

    def _waivers(self, machine: str) -> list[KitWaiver]:
        own = self._settings(machine, "audit")["waivers"]
        return [*map(KitWaiver.model_validate, own), *expectations().waivers]

    def _conditions(self, machine: str) -> list[str]:
        """What is so on a machine, in the words of `KitWaiver.when`."""
        ssh = self._settings(machine, "ssh")
        known = {
            "self_signed": self.certificate(machine)["kind"] == "self_signed",
            "firewall_off": self._settings(machine, "firewall")["off"],
            "old_clients": ssh["old_clients"],
            "passwords": ssh["passwords"],
            "keys_only": not ssh["passwords"],
            "container": self.said.get(machine, {}).get("container", False),
        }
        return [name for name, is_so in known.items() if is_so]
