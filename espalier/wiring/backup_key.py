"""The SSH key by which machines log in to the destination of their backups."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from espalier.inventory.secret_files import first_use


def generate_ssh_key() -> str:
    """Return a new private key, as OpenSSH writes it."""
    return (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        .decode()
        .strip()
    )


def ssh_key_secret(directory: str | Path) -> str:
    """Return the private key that an inventory's `.secrets` has; made at its first use.

    Raises:
        SiteError: it cannot be read.
    """
    return first_use(directory, "backup_ssh_key", generate_ssh_key)


def public_line(private: str) -> str:
    """Return the line for the destination's authorized_keys.

    Raises:
        ValueError: it is no private key of OpenSSH's.
    """
    key = serialization.load_ssh_private_key(f"{private.strip()}\n".encode(), None)
    line = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return f"{line.decode()} espalier-backup"
