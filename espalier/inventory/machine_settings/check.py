"""Checks the keys of this package, wherever in the inventory they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from espalier.inventory.errors import InventoryError
from espalier.inventory.machine_settings.alerts import Alerts
from espalier.inventory.machine_settings.audit import Audit
from espalier.inventory.machine_settings.backup import Backup
from espalier.inventory.machine_settings.base import Settings
from espalier.inventory.machine_settings.firewall import Firewall
from espalier.inventory.machine_settings.ssh import Ssh
from espalier.inventory.machine_settings.updates import Updates
from espalier.inventory.spelling import did_you_mean

# Each may be written for all machines, for a group, or for one machine.
KEYS: Mapping[str, type[Settings]] = {
    "alerts": Alerts,
    "audit": Audit,
    "backup": Backup,
    "firewall": Firewall,
    "ssh": Ssh,
    "updates": Updates,
}


def check_settings(machine: str, values: Mapping[str, Any]) -> None:
    """Refuse settings that make no sense.

    Args:
        machine: name of the machine that they are for.
        values: the variables of the machine; those that are no key of this package are ignored.

    Raises:
        InventoryError: the first value that is refused, where it stands and what to write instead.
    """
    for key in KEYS.keys() & values.keys():
        settings(key, values[key], machine)


def settings(key: str, value: Any, machine: str = "") -> Settings:
    """Return what a key says, with its defaults.

    Args:
        key: one of KEYS.
        value: as the inventory has it; None counts as nothing.
        machine: name of the machine that it is for, for the sentence of a refusal.

    Raises:
        InventoryError: the value makes no sense.
    """
    model = KEYS[key]
    try:
        return model.model_validate({} if value is None else _plain(value))
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise InventoryError(_sentence(key, model, wrong, machine)) from None


def _plain(value: Any) -> Any:
    """Return data without Ansible's own kinds of lists, which fill in an item when it is read."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _sentence(key: str, model: type[Settings], wrong: ErrorDetails, machine: str) -> str:
    """Return what is wrong with a value, for people."""
    path, whose = key, f" of the machine `{machine}`" if machine else ""
    for part in (one for one in wrong["loc"] if one != "[key]"):
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    if wrong["type"] == "extra_forbidden":
        known, last = list(model.model_fields), str(wrong["loc"][-1])
        meant = did_you_mean(last, known) if len(wrong["loc"]) == 1 else ""
        return f"`{path}`{whose} is no key of the kit.{meant} {model.example}"
    if wrong["type"] == "value_error":  # a rule's own sentence
        return f"`{path}`{whose} {wrong['ctx']['error']}"
    if wrong["type"] == "missing":
        return f"`{path}`{whose} is missing. {model.example}"
    shown = "empty" if wrong["input"] is None else repr(wrong["input"])
    return f"`{path}`{whose} is {shown}, which cannot be used there. {model.example}"
