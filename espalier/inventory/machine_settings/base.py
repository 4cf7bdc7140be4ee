"""What the schemas of this package share."""

from __future__ import annotations

import ipaddress
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr


class Settings(BaseModel):
    """The value of a key. `example` ends the sentence of a refusal."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    example: ClassVar[str]


def network(value: str) -> str:
    """Return an address or a range in its usual spelling, or refuse it."""
    try:
        found = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(
            f"is {value!r}, which is no address and no range of addresses. Write one such as "
            "203.0.113.7, 203.0.113.0/24 or 2001:db8::/32."
        ) from None
    return str(found.network_address if found.num_addresses == 1 else found)


# An address, or a range of addresses, of IPv4 or IPv6.
Network = Annotated[StrictStr, AfterValidator(network)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
