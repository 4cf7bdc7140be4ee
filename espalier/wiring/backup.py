"""Where backups go: `backup` of hosts.yml with its defaults, for what copies and what is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from espalier.inventory.machine_settings.backup import Backup
from espalier.inventory.machine_settings.check import settings

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
