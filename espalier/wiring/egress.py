"""What Django may connect to where `egress` of project.yml limits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from espalier.inventory.model import Machine


def egress(project: Mapping[str, Any], machines: Mapping[str, Machine]) -> list[str]:
    """Return hosts, with or without a port: the site's machines, what the project names, its mail.

    Args:
        project: project.yml, checked.
        machines: of the topology, by name.
    """
    own = {one[key] for one in machines.values() for key in ("address", "public_address")}
    found = [*sorted(own), *(project["egress"] or [])]
    if email := project["email"]:
        found.append(f"{bracketed(email['host'])}:{email['port']}")
    if store := urlsplit(project["media_s3"].get("endpoint_url", "")).hostname:
        found.append(bracketed(store))
    return found


def bracketed(host: str) -> str:
    """Return a host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
