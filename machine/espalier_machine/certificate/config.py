"""What the inventory says, and where things are."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/espalier/certificate.json")
ACCOUNT_KEY = Path("/etc/espalier/certificate.key.json")  # of the account, a JWK
DNS_CREDENTIALS = Path("/etc/espalier/certificate.dns")  # as the provider's plugin wants them
HOME = Path("/var/lib/espalier-certificate")
TLS = Path("/etc/nginx/tls")
SERVED = TLS / "site.pem"  # key and chain in one file, so that one rename replaces both
FACT = Path("/etc/ansible/facts.d/espalier_certificate.fact")
CHALLENGE = "/.well-known/acme-challenge/"


@dataclass(frozen=True)
class Settings:
    """What the inventory says.

    Attributes:
        kind: acme or own.
        names: of the site.
        addresses: where its web machines are reached.
        authority, staging: ACME directories; no staging: the authority is asked at once.
        profile: of the authority, "" for its usual one.
        email: of the account, or "".
        thumbprint: of the account's key; nginx answers challenges with it.
        placeholder: path of the self-signed certificate without its ending.
        dns: the DNS provider by which challenges are answered, "" for port 80.
        propagation: seconds until all its name servers have a new record, 0 for the plugin's own.
    """

    kind: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    authority: str
    staging: str
    profile: str
    email: str
    thumbprint: str
    placeholder: str
    dns: str = ""
    propagation: int = 0


def load(path: Path = SETTINGS) -> Settings:
    """Read the settings."""
    stated = json.loads(path.read_text())
    # Of another version, while a run replaces this one: more may be stated, or less.
    names = (field.name for field in dataclasses.fields(Settings))
    known = {name: stated[name] for name in names if name in stated}
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
    return Settings(**lists)
