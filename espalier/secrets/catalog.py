"""Which secrets the kit has, and what belongs to each while it is rotated."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass

from espalier.wiring.authority import generate_authority
from espalier.wiring.backup_key import generate_ssh_key

PREFIX = "vault_"  # of the variable that holds a secret, in an inventory
LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Secret:
    """A secret of the kit's.

    Attributes:
        purpose: what it is for, in a few words.
        length: letters and digits of a new one; 0 for one that is no word.
        companions: what is kept beside it, where it has been rotated.
        interrupts: the service whose restart a rotation takes, "" for none.
        rotates: whether `espalier secrets rotate` can change it.
    """

    purpose: str
    length: int = 40
    companions: tuple[str, ...] = ()
    interrupts: str = ""
    rotates: bool = True


SECRETS: Mapping[str, Secret] = {
    "database_password": Secret(
        "Django logs in to PostgreSQL with it",
        companions=("database_login", "database_password_second"),
    ),
    "secret_key": Secret(
        "Django signs sessions, cookies and links with it",
        length=64,
        companions=("secret_key_next", "secret_key_old"),
    ),
    "redis_password": Secret(
        "Django logs in to the cache and the queue with it (tier redis)",
        companions=("redis_password_old",),
        interrupts="redis",
    ),
    "replication_password": Secret("replicas log in to the primary with it (tier replicas)"),
    "reader_password": Secret("read-only users log in to PostgreSQL with it (database.readers)"),
    "media_token": Secret(
        "machines reach uploads on another machine with it",
        companions=("media_token_old",),
    ),
    "authority": Secret(
        "signs the certificates by which the site's machines know each other", length=0
    ),
    "acme_account": Secret(
        "web machines ask the certificate authority with it (certificate: auto)", length=64
    ),
    # With another one nobody could read the copies that there are; and the destination has to
    # know a key before it is used.
    "backup_passphrase": Secret("backups are encrypted with it", length=64, rotates=False),
    "backup_ssh_key": Secret(
        "machines log in to the destination with it (backup: sftp)", length=0, rotates=False
    ),
}
ROTATED = tuple(name for name, one in SECRETS.items() if one.rotates)
# What somebody else gives, for which the kit has a place: neither made nor rotated by it.
GIVEN: Mapping[str, str] = {
    "dns_credentials": "web machines prove names at the DNS provider with it (certificate: dns)",
    "backup_access_key": "machines write backups to the bucket with it (backup: s3)",
    "backup_secret_key": "machines write backups to the bucket with it (backup: s3)",
}
# Every name under which the kit keeps something.
NAMES = (*(name for key, one in SECRETS.items() for name in (key, *one.companions)), *GIVEN)


def generate(name: str) -> str:
    """A new value for a secret of the kit's."""
    if name == "authority":
        return generate_authority()
    if name == "backup_ssh_key":
        return generate_ssh_key()
    return "".join(secrets.choice(LETTERS) for _ in range(SECRETS[name].length))


def key_in_use(name: str, values: Mapping[str, str]) -> str:
    """Under which name the value of a secret is kept that is in use: the database has two logins.

    Args:
        name: of the secret.
        values: what is kept, by name.
    """
    second = name == "database_password" and values.get("database_login") == "second"
    return "database_password_second" if second else name
