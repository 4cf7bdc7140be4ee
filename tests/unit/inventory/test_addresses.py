"""Addresses: what is one, and what a private one may be."""

from __future__ import annotations

import pytest

from espalier.inventory.addresses import check_address, check_private
from espalier.inventory.errors import InventoryError


@pytest.mark.parametrize(
    "address",
    [
        "203.0.113.10",
        "fd00::1",
        "fe80::1%eth0",
        "vps.example.com",
        "vps.example.com.",
        "vps_1",
        "web.1",  # a `Host` line of ~/.ssh/config
        "1e100.net",
        "localhost",
    ],
)
def test_address_that_ssh_can_use(address: str) -> None:
    check_address("vps1", "ansible_host", address)


@pytest.mark.parametrize(
    ("address", "phrase"),
    [
        ("203.0.113.999", "looks like an IP address and is none"),
        ("203.0.113", "looks like an IP address and is none"),
        ("10.0.0.0.1", "looks like an IP address and is none"),
        ("010.0.0.1", "looks like an IP address and is none"),
        ("203.0.113.1O", "looks like an IP address and is none"),
        ("fd00::zz", "looks like an IP address and is none"),
        ("10.0.0.1:2222", "another port than 22 belongs into `ansible_port`"),
        ("root@vps.example.com", "a user belongs into `ansible_user`"),
        ("-oProxyCommand=reboot", "which is no address"),
        ("10,0,0,1", "which is no address"),
        ("0.0.0.0", "the address of no single machine"),
        ("::", "the address of no single machine"),
        ("255.255.255.255", "the address of no single machine"),
        ("224.0.0.1", "the address of no single machine"),
    ],
)
def test_address_that_is_none(address: str, phrase: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_address("vps1", "private_address", address)
    assert phrase in str(refusal.value)
    assert str(refusal.value).startswith("`private_address` of the machine `vps1` in hosts.yml is ")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_no_private_address(address: str) -> None:
    with pytest.raises(InventoryError, match="a loopback address"):
        check_private("vps1", address)


@pytest.mark.parametrize("address", ["169.254.1.1", "fe80::1", "fe80::1%eth0"])
def test_link_local_is_no_private_address(address: str) -> None:
    with pytest.raises(InventoryError, match="a link-local address"):
        check_private("vps1", address)


@pytest.mark.parametrize("address", ["10.0.0.1", "203.0.113.10", "fd00::1", "vps1.lan"])
def test_any_other_address_may_be_private(address: str) -> None:
    check_private("vps1", address)
