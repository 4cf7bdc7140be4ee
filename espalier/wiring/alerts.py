"""What the program of a machine that tells somebody is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.inventory.errors import InventoryError
from espalier.inventory.machine_settings.alerts import PORTS, Alerts
from espalier.inventory.machine_settings.check import settings


def alert_settings(
    alerts: Any, machine: str, site: str, email: Mapping[str, Any], password: str
) -> dict[str, Any]:
    """Return what `espalier_machine.alerts.config` reads; it holds secrets.

    Args:
        alerts: as the inventory has it, with templates filled in.
        machine: the machine's name.
        site: the site's name.
        email: `email` of project.yml, checked: its server takes the mail where `alerts` has none.
        password: of that server's user, "" for none.
    """
    told = settings("alerts", alerts, machine)
    assert isinstance(told, Alerts)
    smtp: dict[str, Any] = {}
    if told.smtp:
        given = told.smtp.model_dump(by_alias=True)
        smtp = given | {"port": told.smtp.port or PORTS[told.smtp.tls]}
    elif email:
        smtp = {**email, "password": password if email["user"] else ""}
    return {
        "site": site,
        "machine": machine,
        "email": told.email,
        "webhook": told.webhook,
        "heartbeat": told.heartbeat or "",
        "smtp": smtp if told.email else {},
        "ignore": told.ignore,
    }


def alert_refusal(alerts: Any, machine: str, email: Mapping[str, Any]) -> str:
    """Return why nobody could be told as the inventory wants, "" where somebody can.

    The arguments are those of `alert_settings`. No word of it is a secret.
    """
    try:
        told = settings("alerts", alerts, machine)
    except InventoryError as error:
        return str(error)
    assert isinstance(told, Alerts)
    if told.email and not told.smtp and not email:
        return (
            f"`alerts.email` of the machine `{machine}` has no mail server to go by. Write "
            "`project.email` in project.yml, or `alerts: {smtp: {host: smtp.example.com, from: "
            'shop@example.com, user: shop, password: "{{ vault_alerts_password }}"}}` in hosts.yml.'
        )
    return ""
