"""`firewall`: what the house wants open beside what the topology needs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from espalier.inventory.machine_settings.base import Network, Port, Settings


def _many(value: Any) -> Any:
    """Take one value for a list of one."""
    return value if isinstance(value, list) else [value]


Networks = Annotated[list[Network], BeforeValidator(_many)]


class Opening(BaseModel):
    """One more port that is open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"
    # Nothing: everybody.
    sources: Networks = Field(default=[], alias="from")


class Firewall(Settings):
    """What is open beside what the topology needs, and for whom SSH is."""

    example: ClassVar[str] = (
        "An example: `firewall: {ssh_from: [203.0.113.0/24], allow: [{port: 51820, protocol: udp, "
        "from: 198.51.100.7}]}`."
    )

    # Who may reach SSH; nothing: everybody.
    ssh_from: Networks = Field(default_factory=list)
    allow: list[Opening] = Field(default_factory=list)
    # The kit's table is taken away.
    off: bool = Field(default=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _key_off(cls, value: Any) -> Any:
        """Take the key `off` for what it is written as: YAML reads it as false."""
        if not isinstance(value, dict):
            return value
        return {"off" if key in (False, "false") else key: said for key, said in value.items()}
