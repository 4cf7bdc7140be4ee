"""What the kit has written for this machine: whom to tell, and of what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FILE = Path("/etc/espalier/alerts.json")


@dataclass(frozen=True)
class Config:
    """Settings, secrets among them.

    Attributes:
        site, machine: how people call them.
        email: addresses that get a mail.
        webhook: addresses of HTTP that get a POST.
        heartbeat: the address that is asked for while nothing fails; "" for none.
        smtp: the mail server: host, port, user, password, from, tls (starttls, ssl or none).
        ignore: patterns of units that are not told.
    """

    site: str = ""
    machine: str = ""
    email: tuple[str, ...] = ()
    webhook: tuple[str, ...] = ()
    heartbeat: str = ""
    smtp: Mapping[str, Any] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Name it, without a secret."""
        return f"Config({self.site!r}, {self.machine!r})"

    @property
    def channels(self) -> dict[str, str]:
        """By a name that holds no secret, what a person calls the channel.

        The name outlives other changes of the file: a message that waits goes where it was to go.
        """
        found = {"email": f"e-mail to {', '.join(self.email)}"} if self.email else {}
        for address in self.webhook:
            found[webhook_name(address)] = f"webhook at {urlsplit(address).hostname}"
        return found


def webhook_name(address: str) -> str:
    """A name for a webhook from which nobody learns its address."""
    return f"webhook-{hashlib.sha256(address.encode()).hexdigest()[:12]}"


def load(file: Path = FILE) -> Config:
    """Read the file; where there is none, nobody is told."""
    try:
        given: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return Config()
    lists = {name: tuple(given.get(name, ())) for name in ("email", "webhook", "ignore")}
    return Config(**given | lists)
