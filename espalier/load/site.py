"""The site that a load visits: the one that the inventory describes, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier.inventory.addresses import is_ip_address
from espalier.inventory.listing import ListingError, read_machines


class LoadError(Exception):
    """The load cannot be made; a sentence for the person at the terminal."""


@dataclass(frozen=True)
class Site:
    """Where the visitors go: a machine's address, and the name that they ask for."""

    address: str
    domain: str
    scheme: str = "https"
    port: int = 0  # the scheme's own

    @property
    def base(self) -> str:
        """The beginning of every URL, which is also what a browser sends as the origin."""
        host = f"[{self.domain}]" if ":" in self.domain else self.domain
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


def site_of(hostvars: Mapping[str, Any], machine: str = "") -> Site:
    """Give the site that an inventory describes.

    Args:
        hostvars: the machines' variables, as ``ansible-inventory --list`` gives them.
        machine: the web machine to visit, by name; the first one if empty.

    Raises:
        LoadError: the inventory has no such web machine.
    """
    first: Mapping[str, Any] = next(iter(hostvars.values()), {})
    topology = first.get("topology")
    if not topology:
        raise LoadError("This inventory has no topology: give its directory (-i inventories/lab).")
    web = topology["services"]["nginx"]
    if machine and machine not in web:
        raise LoadError(
            f"{machine} is no web machine of this inventory, and a load visits no other: "
            f"choose one of {', '.join(web)}."
        )
    name = machine or web[0]
    address = topology["machines"][name]["public_address"]
    domain = (hostvars[name].get("project", {}).get("domains") or [address])[0]
    if is_ip_address(domain) and domain != address:
        raise LoadError(
            f"The first of `domains` in project.yml is the address {domain}, which is not that of "
            f"{name} ({address}), and a load visits no other: write {address} there, or a name."
        )
    return Site(address, domain)


def read_site(inventory: str | Path, machine: str = "") -> Site:
    """Give the site of an inventory; LoadError if the inventory is refused or has no such machine.

    ``machine`` is the web machine to visit, by name; the first one if empty.
    """
    try:
        return site_of(read_machines(inventory), machine)
    except ListingError as error:
        raise LoadError(str(error)) from error
