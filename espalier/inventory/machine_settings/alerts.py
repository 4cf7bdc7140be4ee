"""`alerts`: who is told when something on a machine begins to fail, and when that is over."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from espalier.inventory.addresses import is_template
from espalier.inventory.machine_settings.base import Port, Settings

ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
SENDER = re.compile(r"[^@\s<>]+@[^@\s<>]+|[^<>@]+ <[^@\s<>]+@[^@\s<>]+>")


def _many(value: Any) -> Any:
    """Take one value for a list of one; where a template leaves nothing, for none."""
    return value if isinstance(value, list) else [value] if value else []


def _address(value: Any) -> Any:
    """Refuse what is no address of mail; a template is filled in later."""
    if not is_template(value) and not (isinstance(value, str) and ADDRESS.fullmatch(value)):
        raise ValueError(
            f"is {value!r}, which is no address of mail. Write one such as anna@example.com."
        )
    return value


def _url(value: Any) -> Any:
    """Refuse what is no address of HTTP, without a word of it: it may hold a token."""
    if not is_template(value):
        try:
            found = urlsplit(value if isinstance(value, str) else "")
            good = found.scheme in ("http", "https") and bool(found.hostname)
            good = good and not re.search(r"[\s\x00-\x1f]", value) and (found.port or 1) > 0
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                "is no address of HTTP (it is not shown, as it may be a secret). Write one that "
                "begins with https://, or the variable of the vault that has it: "
                '"{{ vault_alerts_webhook }}".'
            )
    return value


def _sender(value: Any) -> Any:
    if not is_template(value) and not (isinstance(value, str) and SENDER.fullmatch(value)):
        raise ValueError(
            f"is {value!r}, which is no sender. Write an address such as shop@example.com, or "
            "The Shop <shop@example.com>."
        )
    return value


MailAddress = Annotated[StrictStr, BeforeValidator(_address)]
Url = Annotated[StrictStr, BeforeValidator(_url)]
Sender = Annotated[StrictStr, BeforeValidator(_sender)]
# How a connection becomes TLS, and the port where servers expect it so.
PORTS = {"starttls": 587, "ssl": 465, "none": 25}


class MailServer(BaseModel):
    """The server that takes the mail, where it is not that of project.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: StrictStr
    sender: Sender = Field(alias="from")
    port: Port | None = None
    tls: Literal["starttls", "ssl", "none"] = "starttls"
    user: StrictStr = ""
    # Of the vault: `password: "{{ vault_alerts_password }}"`.
    password: StrictStr = ""


class Alerts(Settings):
    """Who is told, and of what not."""

    example: ClassVar[str] = (
        "An example: `alerts: {email: anna@example.com, webhook: "
        '"{{ vault_alerts_webhook }}", heartbeat: "{{ vault_alerts_heartbeat }}"}`.'
    )

    email: Annotated[list[MailAddress], BeforeValidator(_many)] = Field(default_factory=list)
    # Get a POST of {"text": …}, as Slack, Mattermost and others take it.
    webhook: Annotated[list[Url], BeforeValidator(_many)] = Field(default_factory=list)
    # Is asked for every five minutes, while nothing fails.
    heartbeat: Url | None = None
    smtp: MailServer | None = None
    # Units that are not told: names, or patterns with *.
    ignore: Annotated[list[StrictStr], BeforeValidator(_many)] = Field(default_factory=list)
