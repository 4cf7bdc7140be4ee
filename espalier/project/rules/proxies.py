"""The rule for `trusted_proxies`: whose word about a visitor is taken."""

from __future__ import annotations

import ipaddress
from typing import Any

from espalier.project.proxy_ranges import RANGES
from espalier.project.rules.basics import InvalidValue, text_of
from espalier.project.words import listed

# A shorter prefix than these is most of the internet, which can say what it likes.
LEAST_PREFIX = {4: 8, 6: 16}


def trusted_proxy(value: Any) -> str:
    """A provider in the kit's list, or an address or range, as nginx writes it."""
    text = text_of(value).lower()
    if text in RANGES:
        return text
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise InvalidValue(
            f'"{text}" is neither {listed(RANGES)} nor an address or range such as 203.0.113.7 or '
            f"10.0.0.0/16 ({error})."
        ) from None
    if network.prefixlen < LEAST_PREFIX[network.version]:
        raise InvalidValue(
            f'"{text}" would let anybody claim any address: write the addresses of your proxies.'
        )
    return str(network)
