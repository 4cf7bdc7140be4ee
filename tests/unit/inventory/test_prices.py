"""What hosts.yml says that machines cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.errors import InventoryError
from espalier.inventory.prices import prices, site_prices
from espalier.inventory.site import Site

MACHINES = ["vps1", "vps2", "db1"]


def test_a_month_has_730_hours() -> None:
    value = {"vps1": 12.5, "vps2": "0.02/hour", "db1": "30 / month", "currency": "EUR"}
    assert prices(value, MACHINES) == ({"vps1": 12.5, "vps2": 14.6, "db1": 30.0}, "EUR")


def test_the_default_is_for_machines_without_a_price() -> None:
    assert prices({"vps2": 0, "default": "10"}, MACHINES) == (
        {"vps1": 10.0, "vps2": 0.0, "db1": 10.0},
        "",
    )
    assert prices({"db1": 7}, MACHINES) == ({"db1": 7.0}, "")
    assert prices(None, MACHINES) == ({}, "")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"vps3": 1}, "`prices` in hosts.yml names the machine `vps3`, which is not under `all: "),
        ({"vsp1": 1}, "`prices` in hosts.yml names the machine `vsp1`, which is not under `all: "),
        ({"vps1": -1}, "`prices.vps1` in hosts.yml is -1, which is no price: it cannot be below"),
        ({"vps1": "-1/hour"}, "`prices.vps1` in hosts.yml is '-1/hour', which is no price. Write"),
        ({"vps1": float("nan")}, "`prices.vps1` in hosts.yml is nan, which is no price: "),
        ({"vps1": "12,5"}, "`prices.vps1` in hosts.yml is '12,5', which is no price. Write a num"),
        ({"vps1": "5/day"}, "`prices.vps1` in hosts.yml is '5/day', which is no price. Write a n"),
        ({"vps1": True}, "`prices.vps1` in hosts.yml is True, which is no price. Write a number "),
        ({"vps1": None}, "`prices.vps1` in hosts.yml is empty, which is no price. Write a number"),
        ({"default": "x"}, "`prices.default` in hosts.yml is 'x', which is no price. Write a num"),
        ({"currency": 5}, "`prices.currency` in hosts.yml is 5, which is no currency. Write one "),
        ({"currency": "<b>"}, "`prices.currency` in hosts.yml is '<b>', which is no currency. "),
        (12.5, "`prices` in hosts.yml is 12.5, which is no mapping. An example, under `all: vars"),
    ],
)
def test_refuses(value: Any, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        prices(value, MACHINES)
    assert str(refusal.value).startswith(sentence)


def test_a_slip_in_a_machine_s_name_is_told() -> None:
    with pytest.raises(InventoryError, match=r"Did you mean `db1`\?"):
        prices({"db_1": 1}, MACHINES)


def test_the_prices_of_a_site_are_those_of_its_machines() -> None:
    said = {"default": 5, "db1": 9, "currency": "$"}
    site = Site(
        inventory=Path("x"),
        name="shop",
        topology={"machines": {name: {} for name in ("vps1", "db1")}},
        project={},
        requirements={},
        variables={},
        settings={"vps1": {"prices": said}, "db1": {"prices": said}},
    )
    assert site_prices(site) == ({"vps1": 5.0, "db1": 9.0}, "$")
