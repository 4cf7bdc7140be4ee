"""Where backups go: `backup` of hosts.yml with its defaults, for what copies and what is asked."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from espalier.inventory.machine_settings.backup import Backup
from espalier.inventory.machine_settings.check import settings
from espalier_machine.common.text import shown_size

# Where a machine with the duty `backup` keeps them.
REPOSITORIES = "/var/lib/espalier-backups"


def backup_settings(value: Any, site: str, environment: str) -> dict[str, Any]:
    """Return `backup` of hosts.yml with its defaults, `path` among them; {} for no backups.

    Args:
        value: as the inventory has it, with templates filled in.
        site: the site's name.
        environment: the inventory's; two of them never share a path by themselves.
    """
    if not value:
        return {}
    said = settings("backup", value)
    assert isinstance(said, Backup)
    path = said.path or f"/{site}/{environment}"
    return {**said.model_dump(), "path": REPOSITORIES + path if said.to == "machine" else path}


def destination(backup: Mapping[str, Any]) -> str:
    """Return a few words for people: where the backups are."""
    match backup["to"]:
        case "s3":
            return f"s3://{backup['bucket']}{backup['path']} at {backup['endpoint']}"
        case "sftp":
            return f"sftp://{backup['user']}@{backup['host']}:{backup['port']}{backup['path']}"
    return f"the machine of the duty backup, {backup['path']}"


def fingerprint(backup: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    """Return what changes with the destination, or with what opens it; it tells nothing of them."""
    keys = ("to", "bucket", "endpoint", "region", "host", "user", "port", "host_key", "path")
    known = {**{key: backup[key] for key in keys}, **secrets} if backup else {}
    return (
        hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16] if known else ""
    )


def secret_names(backup: Mapping[str, Any]) -> list[str]:
    """Return the secrets that the destination takes."""
    if not backup:
        return []
    more = {"s3": ["access_key", "secret_key"], "sftp": ["ssh_key"], "machine": []}
    return ["passphrase", *more[backup["to"]]]


def opens(passphrase: str, begins: str) -> bool:
    """Return whether a passphrase opens backups that are at a destination.

    Args:
        passphrase: of the site.
        begins: the first 32 bytes of pgBackRest's list of them, in base64: what `openssl enc
            -aes-256-cbc -md sha1` writes. "" for no backups, which any passphrase may open.
    """
    content = base64.b64decode(begins)
    if not content:
        return True
    magic, salt, block = content[:8], content[8:16], content[16:32]
    if magic != b"Salted__" or len(block) < 16:
        return False
    # As OpenSSL's EVP_BytesToKey makes it, which is no choice of ours.
    made = digest = b""
    while len(made) < 48:
        digest = hashlib.sha1(
            digest + passphrase.strip().encode() + salt, usedforsecurity=False
        ).digest()
        made += digest
    decryptor = Cipher(algorithms.AES(made[:32]), modes.CBC(made[32:48])).decryptor()
    text = decryptor.update(block)
    return text.startswith(b"[") and text.replace(b"\n", b"").decode("latin-1").isprintable()


def room_refusal(free: int | None, database: str, uploads: str) -> str:
    """Return why a destination has no room for a first backup, "" where it has.

    A fifth more than what is copied has to be free: for WAL, and for what changes until old backups
    go. That it is compressed makes up for a second full one.

    Args:
        free: bytes that are free there; None where nobody says.
        database: the sum of the databases' bytes, as PostgreSQL says it; "" for none yet.
        uploads: what `du` says of their directory, in bytes; "" for none yet.
    """
    size = int(database.strip() or 0) + int((uploads.split() or ["0"])[0])
    if free is None or free >= size * 1.2:
        return ""
    return (
        f"The destination of `backup` in hosts.yml has {shown_size(free)} free. The database and "
        f"the uploads take {shown_size(size)}, and a fifth more than that has to be free. Make "
        "room there, or write another destination."
    )
