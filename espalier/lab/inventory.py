"""Which machines an inventory wants: their addresses, Debian, sizes, and their network."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espalier.inventory.listing import ListingError, read_machines
from espalier.lab.image import CODENAMES
from espalier.lab.process import LabError


@dataclass(frozen=True)
class Machine:
    """One machine of the lab, as its inventory has it; sizes in MiB and cores."""

    name: str
    address: str
    image: str = "debian-13"
    memory_mb: int | None = None
    cores: float | None = None
    tmpfs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lab:
    """A named set of machines on one network of its own."""

    name: str
    network: str
    machines: tuple[Machine, ...]

    @property
    def network_name(self) -> str:
        """The name of the podman network."""
        return f"espalier-{self.name}"

    def container(self, machine: Machine) -> str:
        """The name of a machine's container."""
        return f"espalier-{self.name}-{machine.name}"


def parse_lab(hostvars: Mapping[str, Mapping[str, Any]]) -> Lab:
    """Give the lab that machines' variables describe, by machine.

    Raises LabError where the inventory is not that of a lab.
    """
    if not hostvars:
        raise LabError("The inventory lists no machine: add one under `hosts:` in hosts.yml.")
    settings = next(iter(hostvars.values())).get("lab")
    if not isinstance(settings, dict) or not {"name", "network"} <= settings.keys():
        raise LabError(
            "This inventory is not a lab: its hosts.yml has no `lab: {name: …, network: …}` under "
            "`all: vars:`. The lab makes and removes machines, so it touches no other inventory."
        )
    network = ipaddress.IPv4Network(settings["network"])
    if not network.subnet_of(ipaddress.IPv4Network("198.18.0.0/15")):
        raise LabError(
            f"The lab's network {network} is outside 198.18.0.0/15, the range that is kept for "
            "tests and that no office uses: write for example `network: 198.18.7.0/24`."
        )
    machines = []
    for name, variables in hostvars.items():
        address = variables.get("ansible_host", "")
        if not address or ipaddress.ip_address(address) not in network:
            raise LabError(
                f"Machine {name}: `ansible_host: {address}` is not in the lab's network {network}."
            )
        image = variables.get("lab_image", Machine.image)
        if not variables.get("lab_image_fixed"):
            image = os.environ.get("LAB_IMAGE") or image
        if image not in CODENAMES:
            raise LabError(
                f"Machine {name}: `lab_image`, or LAB_IMAGE in the environment, is {image}; it is "
                f"one of {', '.join(CODENAMES)}."
            )
        machines.append(
            Machine(
                name,
                address,
                image,
                variables.get("memory_mb"),
                variables.get("cores"),
                variables.get("lab_tmpfs", {}),
            )
        )
    return Lab(settings["name"], str(network), tuple(machines))


def read_lab(inventory: str | Path) -> Lab:
    """Give the lab of an inventory; LabError where it is refused, or is not that of a lab."""
    try:
        return parse_lab(read_machines(inventory))
    except ListingError as error:
        raise LabError(str(error)) from error
