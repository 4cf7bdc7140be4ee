"""What hosts.yml may say of the firewall, and what it is refused with."""

from __future__ import annotations

import pytest

from espalier.inventory.errors import InventoryError
from espalier.inventory.machine_settings.check import check_settings, settings


def test_nothing_has_the_defaults() -> None:
    assert settings("firewall", None).model_dump() == {"ssh_from": [], "allow": [], "off": False}


def test_one_address_is_a_list_of_one() -> None:
    found = settings("firewall", {"ssh_from": "203.0.113.7/32", "allow": [{"port": 25}]})
    assert found.model_dump() == {
        "ssh_from": ["203.0.113.7"],
        "allow": [{"port": 25, "protocol": "tcp", "sources": []}],
        "off": False,
    }


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            {"ssh_form": []},
            "`firewall.ssh_form` of the machine `vps1` is no key of the kit. Did you",
        ),
        (
            {"ssh_from": ["home"]},
            "`firewall.ssh_from[0]` of the machine `vps1` is 'home', which is no",
        ),
        (
            {"allow": [{}]},
            "`firewall.allow[0].port` of the machine `vps1` is missing. An example: ",
        ),
        (
            {"allow": [{"port": 70000}]},
            "`firewall.allow[0].port` of the machine `vps1` is 70000, wh",
        ),
        (
            {"allow": [{"port": 1, "to": 2}]},
            "`firewall.allow[0].to` of the machine `vps1` is no key ",
        ),
        (
            {"off": "yes"},
            "`firewall.off` of the machine `vps1` is 'yes', which cannot be used there",
        ),
        (
            "off",
            "`firewall` of the machine `vps1` is 'off', which cannot be used there. An example",
        ),
    ],
)
def test_refuses(value: object, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"firewall": value, "tiers": []})
    assert str(refusal.value).startswith(sentence)
