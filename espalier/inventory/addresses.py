"""Addresses: what is one, what several machines can use between them, and the refusals."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

from espalier.inventory.errors import InventoryError
from espalier.inventory.model import Machine
from espalier.inventory.placement import unique

# What a resolver, or a `Host` line of ~/.ssh/config, may know.
HOST_NAME = r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?"


def check_address(name: str, variable: str, address: object) -> None:
    """Refuse an address that other machines or Ansible could not use as it stands."""
    where = f"`{variable}` of the machine `{name}` in hosts.yml"
    if address is None or (isinstance(address, str) and not address.strip()):
        instead = (
            "the address that Ansible connects to, or remove the key to connect to "
            f"the name `{name}`"
            if variable == "ansible_host"
            else "its address in the private network, or remove the key to use `ansible_host`"
        )
        raise InventoryError(f"{where} is empty. Write {instead}.")
    if is_template(address):
        raise InventoryError(
            f"{where} is a template ({address}), but the topology is computed before templates "
            "are. Write the address itself, such as 10.0.0.10."
        )
    if not isinstance(address, str) or "/" in address or len(address.split()) != 1:
        raise InventoryError(
            f"{where} is {address!r}, which is no address. Write one IP address or host name, "
            "without a network length or scheme, such as 10.0.0.10."
        )
    if _looks_like_ip(address) and not is_ip_address(address):
        raise InventoryError(
            f"{where} is {address}, which looks like an IP address and is none. Write four numbers "
            "from 0 to 255, such as 203.0.113.10, an IPv6 address, or a host name; another port "
            "than 22 belongs into `ansible_port`."
        )
    if not is_ip_address(address) and not re.fullmatch(HOST_NAME, address):
        raise InventoryError(
            f"{where} is {address!r}, which is no address. Write one IP address or host name, such "
            "as 10.0.0.10; a user belongs into `ansible_user`, a port into `ansible_port`."
        )
    if is_ip_address(address) and _is_nobodys(address):
        raise InventoryError(
            f"{where} is {address}, which is the address of no single machine. Write the address "
            "that is this machine's own, such as 10.0.0.10."
        )


def check_private(name: str, address: str) -> None:
    """Refuse a `private_address` that was written, and that no other machine could ever reach."""
    where = f"`private_address` of the machine `{name}` in hosts.yml"
    if is_loopback(address):
        raise InventoryError(
            f"{where} is {address}, a loopback address, which only that machine itself can reach. "
            "Write its address in the network that the machines share, such as 10.0.0.10, or "
            "remove the key where there is none."
        )
    if is_ip_address(address) and ipaddress.ip_address(address).is_link_local:
        raise InventoryError(
            f"{where} is {address}, a link-local address, which is not routed, and which a machine "
            "may change by itself. Write its address in the network that the machines share, such "
            "as 10.0.0.10, or remove the key where there is none."
        )


def check_reachable(machines: Mapping[str, Machine], services: Mapping[str, Sequence[str]]) -> None:
    """Refuse an address that the services of several machines could not use between them."""
    used = unique(name for names in services.values() for name in names)
    for name in used if len(used) > 1 else ():
        address = machines[name]["address"]
        if not is_ipv4(address):
            raise InventoryError(
                f"The private address of the machine `{name}` in hosts.yml is {address}, and "
                "between several machines the kit uses IPv4 addresses: what they listen on and "
                "which clients they allow is written down as such. Write `private_address:` with "
                "the machine's IPv4 address in the network that the machines share, such as "
                "10.0.0.10."
            )
        if is_loopback(address):
            raise InventoryError(
                f"The private address of the machine `{name}` in hosts.yml is {address}, which "
                "only that machine itself can reach. Write `private_address:` with its address in "
                "the network that the machines share, such as 10.0.0.10."
            )


def is_template(value: object) -> bool:
    """Return whether Ansible would fill the value in later."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def is_ip_address(address: str) -> bool:
    """Return whether it is an address of IPv4 or IPv6, and no name."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _looks_like_ip(address: str) -> bool:
    """Return whether somebody meant an IP address: colons, or numbers where four belong."""
    parts = address.split(".")
    numbers = sum(part.isdigit() for part in parts)
    return ":" in address or numbers == len(parts) or (len(parts) == 4 and numbers == 3)


def _is_nobodys(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found.is_unspecified or found.is_multicast or (found.version == 4 and found.is_reserved)


def is_ipv4(address: str) -> bool:
    """Return whether the text is an IPv4 address."""
    try:
        return ipaddress.ip_address(address).version == 4
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """Return whether only the machine itself can use the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def canonical(address: str) -> str:
    """Return one spelling per address, so that `::1` and `0:0:0:0:0:0:0:1` are the same."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower().rstrip(".")
