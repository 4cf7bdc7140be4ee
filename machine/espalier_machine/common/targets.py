"""What may be connected to, as people write it: a name, an address or a range, and a port."""

from __future__ import annotations

import ipaddress
import re


def split_target(text: str) -> tuple[str, int | None]:
    """Split `smtp.example.com:587`, `203.0.113.0/24` or `[2001:db8::1]:443`; no port is None.

    The host is as it was written, a range as its network, without brackets. Raises ValueError
    where it is none of these.
    """
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:\[\]]+)(?::(\d+))?|([0-9a-f:./]+)", text)
    if not found:
        raise ValueError(text)
    host, port = found[1] or found[3] or found[5], found[2] or found[4]
    if port is not None and not 0 < int(port) < 65536:
        raise ValueError(text)
    if re.search(r"[:/]|^[0-9.]+$", host):
        network = ipaddress.ip_network(host, strict=False)
        host = str(network if network.num_addresses > 1 else network.network_address)
    elif not re.fullmatch(r"(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", host) or len(host) > 253:
        raise ValueError(text)
    return host, int(port) if port else None


def is_name(host: str) -> bool:
    """Whether a host that `split_target` gave has to be looked up."""
    return not re.search(r"[:/]|^[0-9.]+$", host)
