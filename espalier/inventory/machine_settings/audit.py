"""`audit`: what `espalier verify --security` is not to count, and why."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from espalier.inventory.machine_settings.base import Settings

Check = Literal["ports", "ssh", "tls", "sandboxes", "nginx", "lynis", "secrets"]


def _texts(value: Any) -> Any:
    """Take one value for a list of one, and a port for text."""
    values = value if isinstance(value, list) else [value]
    return [str(one) if isinstance(one, int) else one for one in values]


def _reason(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty. Write why this is well as it is: the audit prints it.")
    return value.strip()


class Waiver(BaseModel):
    """One thing, or several, that a check finds and that are well as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Check
    # Names as the audit prints them; `*` stands for any text.
    what: Annotated[list[StrictStr], BeforeValidator(_texts), Field(min_length=1)]
    why: Annotated[StrictStr, AfterValidator(_reason)]


class Audit(Settings):
    """Waivers beside the kit's own, which are in espalier/audit/expectations.yml."""

    example: ClassVar[str] = (
        "An example: `audit: {waivers: [{check: ports, what: 8080, why: docker publishes the wiki "
        "there.}]}`."
    )

    waivers: list[Waiver] = Field(default_factory=list)
