"""`ssh`: who gets in, by which port, and what is done against those who guess."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from espalier.inventory.machine_settings.base import Port, Settings
from espalier.inventory.machine_settings.public_key import PublicKey
from espalier.inventory.services import SERVICES

# Users that Debian or a service of the kit has, or will have.
TAKEN = (
    *("root", "daemon", "bin", "sys", "sync", "games"),
    *("man", "lp", "mail", "news", "uucp", "proxy"),
    *("www-data", "backup", "list", "irc", "gnats", "nobody"),
    *("sshd", "messagebus", "polkitd", "postgres", "pgbouncer", "redis"),
    *("nginx", "certbot", "etcd", "patroni", "prometheus", "fail2ban"),
    *("espalier", "espalier-users", "sudo", "admin", "adm"),
)


def _port(value: int) -> int:
    """Refuse a port that a service of the kit has."""
    for service, fixed in SERVICES.items():
        if value in fixed.ports:
            raise ValueError(
                f"is {value}, which is {service}'s. Write another one, such as 2222, or remove the "
                "key for 22."
            )
    return value


def _user(value: str) -> str:
    """Refuse a name that is no user's, or that means something else."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", value):
        raise ValueError(
            f"is {value!r}, which cannot name a user. Write a lower-case letter, followed by at "
            "most 30 lower-case letters, digits, _ or -."
        )
    if value in TAKEN or value.startswith("systemd-"):
        raise ValueError(
            f"is {value!r}, a user that Debian or a service has. Choose a person's name; keys of "
            "root stay in root's own authorized_keys."
        )
    return value


def _one_or_more(value: Any) -> Any:
    """Take one key for a list of one."""
    return [value] if isinstance(value, str) else value


class User(BaseModel):
    """A person with an account on the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keys: Annotated[list[PublicKey], BeforeValidator(_one_or_more), Field(min_length=1)]
    sudo: bool = Field(default=False, strict=True)


class Ssh(Settings):
    """Who gets in by SSH, and how. What connects by itself, such as `ansible_user`, is not here."""

    example: ClassVar[str] = (
        "An example: `ssh: {port: 2222, users: {alice: {keys: [ssh-ed25519 AAAAC3… alice], "
        "sudo: true}}}`."
    )

    # None: as the machine has it.
    port: Annotated[Port, AfterValidator(_port)] | None = None
    users: dict[Annotated[StrictStr, AfterValidator(_user)], User] = Field(default_factory=dict)
    # Passwords stay as the machine has them; else none is taken, once a key is proven to work.
    passwords: bool = Field(default=False, strict=True)
    # Algorithms stay as Debian has them, for clients that are older than OpenSSH 8.5.
    old_clients: bool = Field(default=False, strict=True)
    # A daemon that bans addresses after failed logins.
    fail2ban: bool = Field(default=False, strict=True)
