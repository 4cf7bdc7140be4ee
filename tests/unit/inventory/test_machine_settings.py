"""What hosts.yml may say of the firewall, and what it is refused with."""

from __future__ import annotations

import json

import pytest
import yaml

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


@pytest.mark.parametrize("text", ["{off: true}", "{'off': true}"])
def test_yaml_takes_off_for_false_and_the_kit_does_not(text: str) -> None:
    written = yaml.safe_load(text)
    for value in (written, json.loads(json.dumps(written))):
        assert settings("firewall", value).model_dump()["off"] is True


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


def test_alerts_may_be_one_or_several_and_variables_of_a_vault() -> None:
    given = {"email": "a@b.example", "webhook": "{{ vault_hook }}", "ignore": "apt-*"}
    found = settings("alerts", given).model_dump()
    assert (found["email"], found["webhook"]) == (["a@b.example"], ["{{ vault_hook }}"])
    assert (found["ignore"], found["heartbeat"]) == (["apt-*"], None)
    # One that is filled in with nothing.
    assert settings("alerts", {"webhook": ""}).model_dump()["webhook"] == []


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"emial": "a@b.example"}, "`alerts.emial` of the machine `vps1` is no key of the kit. Di"),
        ({"email": "anna"}, "`alerts.email[0]` of the machine `vps1` is 'anna', which is no addr"),
        ({"webhook": "hooks/T0KEN"}, "`alerts.webhook[0]` of the machine `vps1` is no address of"),
        ({"webhook": [{"T0KEN": 1}]}, "`alerts.webhook[0]` of the machine `vps1` is no address o"),
        ({"heartbeat": "https://a b/T0KEN"}, "`alerts.heartbeat` of the machine `vps1` is no add"),
        ({"smtp": {"host": "a.example"}}, "`alerts.smtp.from` of the machine `vps1` is missing."),
        (
            {"smtp": {"host": "a.example", "from": "a@b.example", "password": 7}},
            "`alerts.smtp.password` of the machine `vps1` ",
        ),
    ],
)
def test_alerts_are_refused_and_no_secret_is_shown(value: object, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"alerts": value})
    assert str(refusal.value).startswith(sentence)
    assert "T0KEN" not in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"window": "3-5"}, "`updates.window` of the machine `vps1` is '3-5', which is no window"),
        ({"window": 3}, "`updates.window` of the machine `vps1` is '3', which is no window"),
        ({"window": "03:00-03:10"}, "`updates.window` of the machine `vps1` is '03:00-03:10', wh"),
        ({"window": "03:00-25:00"}, "`updates.window` of the machine `vps1` is '03:00-25:00', wh"),
        ({"reboot": "yes"}, "`updates.reboot` of the machine `vps1` is 'yes', which cannot be us"),
    ],
)
def test_updates_are_refused(value: object, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"updates": value})
    assert str(refusal.value).startswith(sentence)


def test_waivers_of_the_audit_take_one_or_several_and_ports() -> None:
    given = {"waivers": [{"check": "ports", "what": [8080, "25"], "why": " The wiki. "}]}
    assert settings("audit", given).model_dump()["waivers"] == [
        {"check": "ports", "what": ["8080", "25"], "why": "The wiki."}
    ]
    assert settings("audit", None).model_dump() == {"waivers": []}


@pytest.mark.parametrize(
    ("waiver", "sentence"),
    [
        (
            {"check": "ports", "what": 25},
            "`audit.waivers[0].why` of the machine `vps1` is missing.",
        ),
        (
            {"check": "ports", "what": 25, "why": " "},
            "`audit.waivers[0].why` of the machine `vps1` is empty. Write why this is well as it i",
        ),
        (
            {"check": "port", "what": 25, "why": "The wiki."},
            "`audit.waivers[0].check` of the machine `vps1` is 'port', which cannot be used there.",
        ),
        (
            {"check": "ports", "what": [], "why": "The wiki."},
            "`audit.waivers[0].what` of the machine `vps1` is [], which cannot be used there.",
        ),
        (
            {"check": "ports", "what": 25, "why": "The wiki.", "when": "firewall_off"},
            "`audit.waivers[0].when` of the machine `vps1` is no key of the kit.",
        ),
    ],
)
def test_waivers_without_sense_are_refused(waiver: object, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_settings("vps1", {"audit": {"waivers": [waiver]}})
    assert str(refusal.value).startswith(sentence)
